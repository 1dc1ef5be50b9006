#!/usr/bin/env python3
"""Renders many small templates with jinja2, set up as transformers sets it up, into a fixture for the tests.

  chat_template_cases.py OUT.json           writes the fixture (Tests/Fixtures/chat-templates/cases.json)
  chat_template_cases.py --jsonl OUT        one case a line, the form that a renderer under test reads

Each case is [template, expected] or [template, null, error's kind]; all see the same variables and date. Needs jinja2 and
transformers.
"""
import json
import sys
from datetime import datetime

import transformers.utils.chat_template_utils as utils

DATE = "2026-01-15"
VARIABLES = {
    "s": "Hello, World", "e": "", "n": 42, "neg": -7, "f": 3.5, "g": 1.0, "big": 1e20, "small": 1e-7, "t": True,
    "no": False, "nil": None, "l": [3, 1, 2], "words": ["banana", "Apple", "cherry", "apple"], "empty": [],
    "d": {"b": 2, "a": 1, "C": {"x": [1, 2.5, None, True, "q\"'\n"]}}, "u": "naïve café 翻译 🙂", "html": "<b>&'\"</b>",
    "lines": "one\ntwo\n\n  three\r\nfour", "huge": 18446744073709551616,
    "users": [{"name": "Ann", "age": 30, "city": {"n": "Oslo"}}, {"name": "bob", "age": 25, "city": {"n": "Bern"}},
              {"name": "Cid", "age": 30, "city": {"n": "Oslo"}}],
    "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": " Hi "},
                 {"role": "assistant", "content": "Yo", "tool_calls": [{"name": "f", "arguments": {"a": 1}}]}],
    "items": {"keys": 1, "get": 2}, "nested": [[1, 2], [3, [4, 5]], []], "tabs": "a\tb", "ws": "  x y  ",
}

# What stands inside {{ }}.
EXPRESSIONS = r'''
s|n|f|g|big|small|t|no|nil|l|d|u|nested|huge|undefined_name|items
1+2|7//2|-7//2|7%3|-7%3|7.5%2|2**10|2**-1|7/2|6/2|1e3|1e16|1e15|123456789.123|0.1+0.2|1_000|0x1F|0b101|0o17
-2**2|- 3|+3|--3|not true|not not 1|1 if t else 2|1 if no|(1,2)|(1,)|()|[]|{}|[1,2,]|{'a':1,}|1,2|'a' 'b'
'a' ~ 1 ~ none ~ true ~ 1.0|'a'+'b'|'ab'*3|3*'ab'|[1]*2|[1]+[2]|(1,)+(2,)|'%s-%d'%('a',3)|'%5.2f|%-5s|%05d|%x|%%'%(3.14159,'ab',42,255)
1<2<3|1<2>3|1==1.0|true==1|'a'<'b'|[1,2]<[1,3]|1 in l|9 not in l|'ell' in s|'a' in d|1!=2|l==[3,1,2]|d=={'a':1}|none==none
undefined_name==undefined_name|undefined_name is defined|undefined_name is undefined|(undefined_name or 'x')|undefined_name.foo|undefined_name+1
undefined_name|length|undefined_name|list|undefined_name|join|undefined_name|upper|undefined_name|int|undefined_name in l|undefined_name|tojson
l[0]|l[-1]|l[5]|l[1:]|l[:2]|l[::-1]|l[::2]|s[0]|s[-3:]|s[1:8:2]|s[::-1]|d['a']|d.a|d.zz|d['zz']|d.items()|d.keys()|d.values()|d.get('a')|d.get('q')|d.get('q', 5)
l.0|l.index(1)|l.count(3)|l.append(4)|d.update({})|d.pop('a')|d.C.x|d.C.x[4]|items.keys|items['keys']|items.get('get')|s.__class__|s._x|d.__class__|none.foo|n.foo
s.upper()|s.lower()|s.title()|s.swapcase()|s.capitalize()|s.strip('Hd')|ws.strip()|ws.lstrip()|ws.rstrip()|s.split()|s.split(', ')|s.split('o', 1)|s.rsplit('o', 1)|s.split('')|ws.split(none, 1)
s.startswith('He')|s.startswith(('x','He'))|s.endswith('d')|s.startswith('World', 7)|s.find('o')|s.find('o', 5)|s.rfind('o')|s.find('zz')|s.index('zz')|s.count('l')|s.replace('l','L')|s.replace('l','L',1)|s.replace('','-')
'-'.join(words)|'-'.join(l)|s.partition(', ')|s.rpartition('o')|s.partition('q')|'x'.center(5,'*')|'x'.ljust(3)~'.'|'x'.rjust(3)|'42'.zfill(5)|'-42'.zfill(5)|lines.splitlines()|lines.splitlines(true)|tabs.expandtabs(4)
'abc'.isalpha()|'12'.isdigit()|'a1'.isalnum()|' '.isspace()|'Ab'.istitle()|'ab'.islower()|'AB'.isupper()|''.isalpha()|'x1'.isidentifier()|s.removeprefix('Hello')|s.removesuffix('World')|'½'.isnumeric()|'½'.isdigit()
'{} {}'.format(1,'a')|'{1} {0}'.format(1,2)|'{a}'.format(a=3)|'{0[0]} {1.a}'.format(l,d)|'{:>5}|{:<5}|{:^5}'.format(1,2,3)|'{:05.1f}'.format(3.14159)|'{:,}'.format(1234567)|'{!r}'.format('a')|'{:x} {:#x} {:b}'.format(255,255,5)|'{{}}'.format()|'{}'.format()|'{a}'.format()
'{:.2%}'.format(0.256)|'{:e}'.format(12345.678)|'{:g}'.format(0.00001)|'{:+d}'.format(5)|'{:*^9}'.format('mid')|'{:.3}'.format('abcdef')|'{:>{w}}'.format('a', w=4)|'{:s}'.format(3)|'{:.3}'.format(2.0)|'{:10}'.format(true)
s|upper|s|lower|s|title|s|capitalize|ws|trim|s|trim('Hd')|s|replace('l','L')|s|replace('l','L',1)|s|length|l|length|d|length|n|length|l|count|s|first|s|last|l|first|l|last|empty|first|empty|last|s|reverse|l|reverse|list
l|sort|l|sort(reverse=true)|words|sort|words|sort(case_sensitive=true)|users|sort(attribute='age')|map(attribute='name')|list|users|sort(attribute='age,name')|map(attribute='name')|join(',')|l|sort(true)|['a',1]|sort
words|unique|list|words|unique(true)|list|l|min|l|max|empty|max|words|min|words|max|users|max(attribute='age')|users|min(attribute='age')|l|sum|users|sum(attribute='age')|l|sum(start=10)|empty|sum|['a']|sum
words|join|words|join(', ')|users|join(', ', attribute='name')|l|join('-')|l|map('string')|join|words|map('upper')|list|users|map(attribute='name')|list|users|map(attribute='zz', default='?')|list|users|map(attribute='city.n')|list|l|map('zz')|list|l|map|list
l|select('odd')|list|l|reject('odd')|list|l|select|list|[0,1,'',none,'a']|select|list|[0,1]|reject|list|l|select('gt', 1)|list|l|select('>', 1)|list|l|select('in', [1,2])|list|users|selectattr('age','eq',30)|map(attribute='name')|list|users|rejectattr('age','eq',30)|list|users|selectattr('zz','defined')|list|users|selectattr('name')|list|length
d|dictsort|d|dictsort(true)|{'a':2,'b':1}|dictsort(by='value')|{'a':2,'b':1}|dictsort(reverse=true)|d|items|list|d|list|users|groupby('age')|users|groupby('city.n')|map(attribute='grouper')|list|(users|groupby('age'))[0].list|length|(users|groupby('age')|first).grouper
l|batch(2)|list|l|batch(2,'x')|list|l|slice(2)|list|l|slice(2,'x')|list|'abcdefg'|batch(3)|list|range(7)|slice(3)|list
n|string|'42'|int|'4.7'|int|'x'|int|'x'|int(5)|'ff'|int(0,16)|'0x1A'|int(0,16)|3.99|int|-3.99|int|true|int|nil|int|' 12 '|int|'1_0'|int|'3.5'|float|'x'|float|'x'|float(1.5)|'1e3'|float|3|float|'inf'|float|'nan'|float|'.5'|float|'5.'|float
3.14159|round(2)|2.5|round|3.5|round|2.675|round(2)|2.1|round(method='ceil')|2.9|round(0,'floor')|1234|round(-2)|5|round|-2.5|round|neg|abs|-2.5|abs|'x'|abs|'x'|round
nil|default('z')|undefined_name|default('z')|e|default('z')|e|default('z', true)|e|d('z', boolean=true)|undefined_name|default|undefined_name.x|default(1)
lines|indent|lines|indent(2)|lines|indent(2, true)|lines|indent(2, blank=true)|lines|indent('> ')|lines|indent(width=3, first=true)|n|indent|s|center(20)|s|truncate(8)|s|truncate(5, true, '..', 0)|s|truncate(9, false, '...', 0)|s|wordcount|u|wordcount|'a b c d e f'|wordwrap(4)|'abcdefghij klm'|wordwrap(4)|'well-known fact'|wordwrap(6)
html|escape|html|e|upper|html|safe|html|safe|escape|html|forceescape|html|striptags|(html|e) ~ '<'|(html|e) + '<'|s|urlencode|u|urlencode|{'a b':'c/d'}|urlencode|{'a':1,'b':none}|xmlattr|12345|filesizeformat|1|filesizeformat|1000000|filesizeformat(true)
d|tojson|d|tojson(indent=2)|u|tojson|u|tojson(ensure_ascii=true)|d|tojson(sort_keys=true)|l|tojson(separators=(',',':'))|nil|tojson|t|tojson|f|tojson|big|tojson|[]|tojson(indent=2)|{}|tojson(indent=2)|(1,2)|tojson|html|tojson|'\x07\x7f'|tojson|{1:2,none:3,true:4}|tojson|huge|tojson|range(2)|tojson|d.items()|tojson|nested|tojson(indent=1)|nested|tojson(indent='\t')|{(1,2):3}|tojson
s|format|'%s %s'|format('a', 1)|'%(a)s'|format(a=2)|'%s'|format|'%d'|format('x')|'%r'|format('x')|'%s'|format(none)|'%c'|format(65)|'%e'|format(1234.5)|'%10.3s|'|format('abcdef')|'%+d % d'|format(3,4)|'%#x %o'|format(255,8)|'%.3d'|format(7)|'%*d'|format(5,42)|'%g'|format(1e20)|'%i'|format(3.9)|'%5%'|format
n is number|f is number|t is number|s is number|s is string|n is integer|t is integer|f is float|t is boolean|nil is none|l is sequence|d is sequence|s is sequence|n is sequence|d is mapping|l is mapping|l is iterable|n is iterable|s is iterable|nil is iterable|range is callable|n is callable|s.upper is callable
1 is odd|2 is even|9 is divisibleby 3|9 is divisibleby(4)|n is eq 42|n is ne(42)|n is gt 3|n is lt 3|n is ge 42|n is le 1|n is sameas 42|t is true|t is false|n is true|1 is in l|1 is in(l)|9 is not in l|'a' is lower|'A' is upper|'A1' is upper|'1' is upper|html is escaped|(html|e) is escaped|'upper' is filter|'zz' is filter|'odd' is test|n is not number|not n is number|n is equalto 42|n is zz|n|zz|n is defined is defined
range(3)|range(3)|list|range(1,10,3)|list|range(5,0,-2)|list|range(3)[1]|range(10)[2:4]|list|range(0)|length|range(1.5)|range(200000)|range(1,2,0)|dict(a=1)|dict([('a',1)])|dict({'a':1}, b=2)|dict(a=1).a|namespace(a=1).a|namespace(a=1).b|namespace(_a=1)|cycler(1,2).next()|joiner()|length|raise_exception('boom')|raise_exception()|strftime_now('%Y-%m-%d')|strftime_now('%d %b %Y, %A %j %B %H:%M:%S %f %% %y %-d')|lipsum is defined
'ǆ'.title()|'ß'.upper()|'ΑΣ'.lower()|'İ'.lower()|u.upper()|u|title|'o\'neil-smith (x)'|title|'a_b c'|title|u|length|u[-1]|u|list|length|u == 'naïve café 翻译 🙂'|'é' == 'é'|'\u00e9\t\\\x41\101\q'|"it's"|['it\'s', "q\"", '\n\x00\u200b']|[1.0, 1e-5, 1e100, -0.0, none, true, (1,)]
[none]|join|nil|string|nil|upper|t|upper|l|upper|1 and 2|0 and 2|0 or 'x'|'' or none|1 or undefined_name.x|none is defined|[1,[2]]|list|l|last|d|first|d|last|s|list|s|batch(5)|map('join')|list|words|map('replace','a','b')|list|words|map('length')|sum|words|map('first')|join|[[1,2],[3]]|map('last')|list|[[1,2],[3]]|sum(start=[])|users|map('attr','name')|list|s|attr('upper')|d|attr('a')
1/0|1//0|1%0|1.0/0|'a'+1|1+'a'|[1]+'a'|none+1|'a'*'b'|1<'a'|none<1|1 in 5|1 in 'abc'|5()|s()|s.nope()|d.nope()|undefined_name()|{[1]:2}|{'a':1}[[]]|l['a']|l[1.0]|s[none]|l[none:1]|l['a':]
lines|replace('\n','|')|words|sort|first|words|first|upper|-1|abs|(-1)|abs|-l[0]|not l|length|1 + 2 * 3 - 4 / 2|(1 + 2) * 3|1 ~ 2 + 3|2 * 3 ~ 4|1 - 1 ~ 1|'a' if 1 == 1 and 2 > 1 else 'b' if 3 else 'c'|('x' if no) is undefined|[x]|{'k': undefined_name}|undefined_name ~ 'a'|'%s' % undefined_name|d.b + d['a']|1 if undefined_name else 0|messages[1].content|trim|messages[-1].tool_calls[0].arguments|tojson|messages|map(attribute='role')|join('/')|messages|selectattr('role','equalto','user')|first|messages|selectattr('tool_calls','defined')|list|length|(messages|last)['content']|messages|rejectattr('role','in',['system'])|map(attribute='content')|list|messages[0]['role'] == 'system'|messages[9].role|messages[9] is defined|messages|length - 1
'abc'|map('upper')|list|'abc' is mapping|x if x is defined else 'dflt'|'a,b'.split(',')|last|'a,b'.split(',')[-1]|'</think>' in 'a</think>b'|'a</think>b'.split('</think>')[-1].lstrip('\n')|'<tool>' ~ {'a':1}|tojson ~ '</tool>'|loop is defined|self is defined|(l|sort)[0]|l|sort|map('string')|list|words|list|tojson|{'a': 'b'}.items()|list|{'a': 'b'}|items|list|d|dictsort|tojson|none|tojson|string|true ~ false|[true, none]|string|'x'|string|safe
'''

TEMPLATES = r'''
{% if n %}a{% elif s %}b{% else %}c{% endif %}
{% if no %}a{% elif e %}b{% else %}c{% endif %}
{% if 1, 2 %}x{% endif %}
{% for x in l %}{{ x }}{% if not loop.last %},{% endif %}{% endfor %}
{% for x in empty %}a{% else %}none{% endfor %}
{% for x in undefined_name %}a{% else %}none{% endfor %}
{% for x in n %}a{% endfor %}
{% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %}
{% for k, v in d|dictsort %}{{ k }}={{ v }};{% endfor %}
{% for k in d %}{{ k }}{% endfor %}
{% for a, b in nested %}{{ a }}{% endfor %}
{% for (a, b), c in [((1, 2), 3)] %}{{ a }}{{ b }}{{ c }}{% endfor %}
{% for x in l if x > 1 %}{{ loop.index }}/{{ loop.length }}:{{ x }} {% endfor %}
{% for x in l %}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.first }}{{ loop.last }}{{ loop.depth }}{{ loop.depth0 }}{% endfor %}
{% for x in l %}{{ loop.previtem }}<{{ x }}>{{ loop.nextitem }};{% endfor %}
{% for x in l %}{{ loop.previtem is defined }}{{ loop.cycle('a', 'b') }}{% endfor %}
{% for x in [1,1,2] %}{{ loop.changed(x) }}{% endfor %}
{% for x in l %}{% for y in l %}{{ loop.index }}{{ x }}{% endfor %}{{ loop.index }}{% endfor %}
{% for x in nested recursive %}{% if x is iterable %}[{{ loop(x) }}]{% else %}{{ x }}@{{ loop.depth }}{% endif %}{% endfor %}
{% for x in l %}{% if x == 1 %}{% break %}{% endif %}{{ x }}{% endfor %}
{% for x in l %}{% if x == 1 %}{% continue %}{% endif %}{{ x }}{% endfor %}
{% for x in l %}{% break %}{% else %}e{% endfor %}
{% for x in l %}{% continue %}{% else %}e{% endfor %}
{% for x in l %}{{ x }}{% else %}e{% endfor %}
{% break %}
{% set x = 1 %}{% for i in l %}{{ x }}{% set x = i %}{{ x }}{% endfor %}{{ x }}
{% set ns = namespace(c=0) %}{% for i in l %}{% set ns.c = ns.c + i %}{% endfor %}{{ ns.c }}
{% set ns = namespace() %}{% set ns.a = 1 %}{{ ns.a }}{{ ns.b is defined }}
{% set d.a = 1 %}
{% set undefined_ns.a = 1 %}
{% set a, b = 1, 2 %}{{ a }}{{ b }}
{% set a, b = [1] %}
{% set a, b = [1, 2, 3] %}
{% set (a, b) = (1, 2) %}{{ a ~ b }}
{% set x %}a{{ n }}b{% endset %}{{ x }}{{ x|length }}
{% set x | upper %}abc{% endset %}{{ x }}
{% set x | replace('a', 'b') | upper %}abc{% endset %}{{ x }}
{% set x %}{% set y = 5 %}{{ y }}{% endset %}{{ x }}{{ y }}
{% if t %}{% set q = 1 %}{% endif %}{{ q }}
{% if no %}{% set q = 1 %}{% endif %}[{{ q }}]
{% with a = 1, b = n %}{{ a }}{{ b }}{% endwith %}{{ a }}
{% with %}{% set z = 1 %}{{ z }}{% endwith %}{{ z }}
{% with a = 1 %}{% with a = 2, b = a %}{{ a }}{{ b }}{% endwith %}{% endwith %}
{% macro m(a, b=2, c='x') %}{{ a }}{{ b }}{{ c }}{% endmacro %}{{ m(1) }}|{{ m(1, 3) }}|{{ m(1, c='y') }}|{{ m() }}|{{ m(a=5) }}
{% macro m(a, b=a) %}{{ a }}{{ b }}{% endmacro %}{{ m(1) }}
{% macro m() %}{{ varargs }}{{ kwargs }}{% endmacro %}{{ m(1, 2, x=3) }}
{% macro m(a) %}{{ a }}{% endmacro %}{{ m(1, 2) }}
{% macro m(a) %}{{ a }}{% endmacro %}{{ m(b=2) }}
{% macro m() %}{{ caller() }}!{% endmacro %}{% call m() %}body{% endcall %}
{% macro m() %}{{ caller(1, 2) }}!{% endmacro %}{% call(a, b=3) m() %}{{ a }}{{ b }}{% endcall %}
{% macro m() %}x{% endmacro %}{% call m() %}body{% endcall %}
{% macro m() %}{{ caller is defined }}{% endmacro %}{{ m() }}
{% macro f(n) %}{% if n > 0 %}{{ n }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(4) }}
{% macro f(n) %}{{ f(n) }}{% endmacro %}{{ f(1) }}
{% macro m() %}{{ y }}{% endmacro %}{% set y = 3 %}{{ m() }}
{% macro m() %}{% set y = 4 %}{{ y }}{% endmacro %}{% set y = 3 %}{{ m() }}{{ y }}
{% for i in l %}{% macro m() %}{{ i }}{% endmacro %}{{ m() }}{% endfor %}
{% macro m(x) %}{{ x }}{% endmacro %}{{ m.name }}{{ m.arguments }}
{% macro m(x) %}{{ x }}{% endmacro %}{{ m('<')|e }}{{ m(m(1)) }}{{ m(1)|length }}
{% filter upper %}abc{{ s }}{% endfilter %}
{% filter replace('a', 'b')|indent(2, true) %}a
a{% endfilter %}
{% filter zz %}a{% endfilter %}
{% raw %}{{ x }}{% if %}{% endraw %}
{%- raw -%}  {{ x }}  {%- endraw -%}  y
a {#- comment -#} b
a {# comment #}
b
{# multi
line #}x
  {% if t %}
  yes
  {% endif %}
end
a
    {%- if t %}
  yes
    {%- endif %}
end
  {%+ if t %}x{%+ endif +%}
y
{{ 'a' -}}   b
a   {{- 'b' }}
a
{{ 'b' }}
c
  {{ 'b' }}
  {# c #}
  x
{% if t -%}

   a   

{%- endif %}
b
{% if t %}a{% endif %}

{% if t %}b{% endif %}


{{ "}}" }}{{ '{%' }}{{ {'a': {'b': 1}}['a']['b'] }}
{{ '%}' }}{{ "#}" }}{% if '%}' %}x{% endif %}
{ {  } } % { # }
{% autoescape true %}{{ html }}{{ html|safe }}{{ '<' ~ html }}{% endautoescape %}{{ html }}
{% block a %}x{{ n }}{% endblock %}
{% block a %}x{% endblock a %}
{% generation %}x{{ n }}{% set q = 1 %}{% endgeneration %}{{ q }}
{% include 'x' %}
{% import 'x' as y %}
{% from 'x' import y %}
{% extends 'x' %}
{% if no %}{% include 'x' %}{% endif %}ok
{% if no %}{{ n|zz }}{% endif %}ok
{% if n is zz %}a{% endif %}
{{ 1 if true else n|zz }}
{% for x in l %}{{ x|zz }}{% endfor %}
{% zz %}
{% if %}a{% endif %}
{% if t %}a
{% for x l %}{% endfor %}
{% endif %}
{{ n
{{ }}
{{ 1 + }}
{{ (1 }}
{{ 1) }}
{{ [1 }}
{{ 'abc }}
{{ a b }}
{{ @ }}
{{ a.1b }}
{{ a. }}
{% set x %}a
{% set 1 = 2 %}
{% set none = 2 %}
{% macro m(a=1, b) %}{% endmacro %}
{{ f(a=1, 2) }}
{{ f(**d, 1) }}
{# abc
{% raw %}abc
{% print n %}{% print 1, 2 %}
{% do 1 %}
{{ dict(**{'a': 1}) }}{{ range(*[1, 3])|list }}
{% set c = cycler('a', 'b') %}{{ c.next() }}{{ c.next() }}{{ c.current }}{{ c.next() }}{{ c.reset() }}{{ c.current }}
{% set j = joiner('|') %}{{ j() }}a{{ j() }}b{{ j() }}c
{% set g = words|map('upper') %}{{ g|list }}{{ g|list }}
{% set g = l|select('odd') %}{% for x in g %}{{ x }}{% endfor %}{% for x in g %}{{ x }}{% endfor %}{{ 'T' if g else 'F' }}
{{ (l|map('string'))|length }}
{{ (l|map('string'))[0] }}
{{ l|map('string')|first }}{{ l|map('string')|last }}
{% for m in messages %}<|im_start|>{{ m.role }}
{{ m.content | trim }}<|im_end|>
{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant
{% endif %}
{% for m in messages %}{% if m['role'] == 'assistant' and m.tool_calls %}{% for c in m.tool_calls %}{{ c.name }}({{ c.arguments | tojson(indent=4) }}){% endfor %}{% endif %}{% endfor %}
{% if messages[0].role != 'user' %}{{ raise_exception('must start with user: ' ~ messages[0].role) }}{% endif %}
{%- for m in messages -%}
    {%- if loop.first and m.role == 'system' -%}
        {%- set sys = m.content -%}
    {%- endif -%}
    {{ sys }}
{%- endfor -%}
{{ sys }}
{% set loop_messages = messages[1:] %}{% for m in loop_messages %}{{ loop.index0 % 2 == 0 }}{{ m.role }}{% endfor %}
{% for c in 'abc' %}{{ c }}-{% endfor %}{% for c in range(3) %}{{ c }}{% endfor %}
{% for x in l|sort %}{{ x }}{% endfor %}{% for x in l|reverse %}{{ x }}{% endfor %}
{% for x in l recursive %}{{ loop.depth }}{% endfor %}{{ loop }}
{% for x in l %}{{ loop(x) }}{% endfor %}
{% set x = 5 %}{% macro m(x) %}{{ x }}{% endmacro %}{{ m(1) }}{{ x }}
{% set t2 = (1, 2) %}{{ t2[0] }}{{ t2 }}{% set a = t2 + (3,) %}{{ a }}
{% if s is string and s|length > 3 or no %}y{% endif %}
{% if 'x' not in s and not no %}y{% endif %}
{% if d.zz is not defined %}y{% endif %}{% if d['a'] is defined and d.a %}z{% endif %}
{%- set x = [] -%}{%- set x = x + [1] -%}{{ x }}
{{ '' }}

x
{{- '\n' }}{{ "a\nb" }}
{% for i in range(3) -%} {{ i }} {%- endfor %}.
 a {%- for i in l -%} {{ i }} {%- endfor -%} b 
{% set content = messages[1].content | trim + '!' %}{{ content }}
{% set content = messages[1]['content'] | trim %}{{ '[' ~ content ~ ']' }}
{{ bos_token }}{{ bos_token is defined }}{{ (bos_token or '') + 'x' }}
{{ messages | selectattr('role', 'equalto', 'user') | map(attribute='content') | map('trim') | join(' ') }}
{{ [messages[0].content, messages[1].content] | join('\n') | indent(2) }}
{% set tools = none %}{% if tools is not none and tools %}a{% else %}b{% endif %}{{ tools is none }}
{% if not tools is defined %}x{% endif %}{% if tools is defined %}{{ tools }}{% endif %}
{{ "%s" | format(s) }}{{ '%.2f' | format(f) }}{{ "%03d" % n }}
{% for x in [1, 2] %}{% set outer = loop %}{% for y in [3, 4] %}{{ outer.index }}{{ loop.index }} {% endfor %}{% endfor %}
{% set x = namespace(v=[]) %}{% for i in l %}{% set x.v = x.v + [i] %}{% endfor %}{{ x.v }}
{% set a = 1 if no else 2 %}{{ a }}{% set b = 1 if no %}{{ b is defined }}
{% call(x) undefined_name() %}{% endcall %}
{% call 5 %}{% endcall %}
{% if a.b.c is defined %}x{% endif %}
{% if d.b.c is defined %}x{% else %}y{% endif %}
{% macro outer() %}{% macro inner() %}{{ caller() }}{% endmacro %}{% call inner() %}{{ caller() }}{% endcall %}{% endmacro %}{% call outer() %}deep{% endcall %}
{% for k, group in users|groupby('age') %}{{ k }}:{{ group|map(attribute='name')|join(',') }};{% endfor %}
{{ n[1:] }}
{{ d[1:] }}
{{ nil[:5] }}
{{ t[:-1] }}
{{ (words|map('upper'))[1:] }}
{{ undefined_name[1:] }}
{{ [none, none]|sort }}{{ users|sort(attribute='zz')|map(attribute='name')|join }}
{{ [{'a': none}, {'a': none, 'b': 1}]|sort(attribute='a')|length }}
{{ [1, none]|sort }}
{{ [{'a': 1}, {'b': 1}]|sort(attribute='a') }}
{{ l|truncate(5) }}{{ d|truncate(5) }}{{ undefined_name|truncate(5) }}
{{ n|truncate(5) }}
{{ range(300)|truncate(5) }}
{{ n|wordwrap(5) }}
{{ undefined_name|wordwrap(5) }}
{{ 'upper' is filter }}{{ 5 is test }}
{{ [] is filter }}
{{ d is test }}
{{ n|map('upper') is none }}{{ not nil|select }}{{ 'x' if n|batch(2) }}{{ n|slice(2) is defined }}{{ n|items is none }}
{{ n|unique is none }}{{ nested|unique is none }}{{ not l|select('gt', 'a') }}{{ not users|map('zz') }}{{ not l|map }}
{{ n|map('upper')|list }}
{% set g = n|select %}{{ g is defined }}{% for x in g %}{% endfor %}
{{ [1, 'a']|map('abs')|first }}{{ [1, 'a']|select('gt', 0)|first }}{{ [1, [2]]|unique|first }}
{{ [1, 'a']|map('abs')|list }}
{% set g = l|map('string') %}{{ g|first }}{{ g|list }}{{ g|list }}{{ g|first is defined }}
{% set g = l|select('odd')|map('string')|unique %}{{ g|first }}{{ '1' in g }}{{ g|list }}
{% set g = [1, 2, 3]|map('string') %}{{ '2' in g }}{{ g|list }}{{ '2' in g }}
{% set ns = namespace(g=l|map('string')) %}{% set ns.g = ns.g|map('int') %}{% set ns.g = ns.g|map('default', ns) %}{{ ns.g|list }}
{{ l|batch }}
{{ 'ab'|safe|list }}{{ html|safe|first }}{{ 'ab'|safe|map('upper')|list }}
{{ 'a' % undefined_name }}{{ 'a' % [1] }}{{ 'a' % d }}
{{ lines }}
{{- lines | replace('\n', ' ') -}}
'''

# Constants folded before they are checked; globals that nobody's template needs; what Python's own `%` does of no use.
LEFT_OUT = ["1 or undefined_name.x", "lipsum", "self is", "'%5%'"]


def cases():
    for line in EXPRESSIONS.strip().split("\n"):
        # "|" separates expressions but is a filter's sign too: try every way to cut, keep what was meant, by brute force.
        parts = line.split("|")
        for i in range(len(parts)):
            for j in range(i + 1, min(i + 4, len(parts)) + 1):
                yield "{{ " + "|".join(parts[i:j]) + " }}"
    for template in split_templates(TEMPLATES):
        yield template


def split_templates(text):
    """One a line; and every run of two and of four lines, which tests white space and nesting across lines."""
    lines = text.strip("\n").split("\n")
    for count in (1, 2, 5):
        for start in range(0, len(lines), 1 if count < 5 else 4):
            yield "\n".join(lines[start:start + count])


class FrozenDatetime(datetime):
    @classmethod
    def now(cls, tz=None):
        return cls.fromisoformat(DATE)


def render(template):
    try:
        compiled = utils._cached_compile_jinja_template(template)
        return [template, compiled.render(**VARIABLES)]
    except Exception as error:
        return [template, None, type(error).__name__]


def main():
    utils.datetime = FrozenDatetime
    seen, out = set(), []
    for template in cases():
        if template in seen or any(part in template for part in LEFT_OUT):
            continue
        seen.add(template)
        case = render(template)
        # Addresses of Python's objects say nothing.
        if case[1] is not None and (" at 0x" in case[1] or "<built-in" in case[1]):
            continue
        out.append(case)
    if sys.argv[1] == "--jsonl":
        with open(sys.argv[2], "w") as file:
            for case in out:
                record = {"template": case[0], "variables": VARIABLES, "date": DATE, "expected": case[1],
                          "error": case[2] if len(case) > 2 else None}
                file.write(json.dumps(record) + "\n")
    else:
        with open(sys.argv[1], "w") as file:
            head = json.dumps({"date": DATE, "variables": VARIABLES}, ensure_ascii=False)
            body = ",\n".join(json.dumps(case, ensure_ascii=False) for case in out)
            file.write(head[:-1] + ', "cases": [\n' + body + "\n]}\n")
    print(len(out), "cases", file=sys.stderr)


main()
