import ChatTemplate
import Testing

/// Templates that would run for ever, nest without end or fill the memory end in an error.
@Suite struct LimitTests {
    private static let limits = ChatTemplate.Limits(steps: 300_000, characters: 2 << 20)

    @Test(arguments: [
        "{% for a in range(99999) %}{% for b in range(99999) %}{% for c in range(99999) %}{% endfor %}{% endfor %}{% endfor %}",
        "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
        "{% macro f() %}{{ f() ~ f() }}{% endmacro %}{{ f() }}",
        "{{ 'a' * 100000000 * 100000000 }}",
        "{{ 'a' * 9223372036854775807 }}",
        "{{ [1] * 9223372036854775807 }}",
        "{% set ns = namespace(x='aaaaaaaa') %}{% for i in range(99) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}",
        "{% set ns = namespace(x=[]) %}{% for i in range(9999) %}{% set ns.x = [ns.x] %}{% endfor %}",
        "{% set ns = namespace(x=[1]) %}{% for i in range(99) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}{{ ns.x }}",
        "{% set ns = namespace(x=[1], y=[1]) %}{% for i in range(99) %}{% set ns.x = [ns.x, ns.x] %}"
            + "{% set ns.y = [ns.y, ns.y] %}{% endfor %}{{ ns.x == ns.y }}",
        "{% set ns = namespace() %}{% set ns.x = ns %}{{ ns }}",
        "{{ ('a' * 900000).find('a' * 400000 ~ 'b') }}",
        "{{ ('a' * 90000) | replace('', 'b' * 9000) }}",
        "{{ '%999999999999d' | format(1) }}",
        "{{ '{:>999999999999}'.format(1) }}",
        "{{ 'x' | center(999999999999) }}",
        "{{ 'x'.zfill(9223372036854775807) }}",
        "{{ 'x' | indent(9223372036854775807) }}",
        "{{ [1] | batch(9223372036854775807, 0) | list }}",
        "{{ [1] | slice(9223372036854775807) | list }}",
        "{{ [[1]] | tojson(indent=9223372036854775807) }}",
        "{{ 9223372036854775807 + 1 }}",
        "{{ 2 ** 9223372036854775807 }}",
        "{{ range(-9223372036854775807, 9223372036854775807) }}",
        "{{ '\\t'.expandtabs(9223372036854775807) }}",
        "{% for x in [[1]] recursive %}{{ loop([[1]]) }}{% endfor %}",
        "{% set ns = namespace(x=[1]) %}{% for i in range(9999) %}{% set ns.x = ns.x | map('string') %}{% endfor %}",
        "{% set ns = namespace(x=range(99999)) %}{% for i in range(99) %}{% set ns.x = ns.x | map('int') %}{% endfor %}"
            + "{{ ns.x | sum }}",
    ])
    func endsInAnError(_ source: String) throws {
        let template = try ChatTemplate(source)
        #expect(throws: ChatTemplateError.self) { try template.render([], limits: LimitTests.limits) }
    }

    @Test func deepTextsAreRefused() {
        let deep = String(repeating: "(", count: 50_000)
        for source in [
            "{{ \(deep)1", "{{ " + String(repeating: "not ", count: 50_000) + "1 }}",
            "{{ " + String(repeating: "-", count: 50_000) + "1 }}",
            "{{ " + String(repeating: "[", count: 50_000),
            "{{ 1" + String(repeating: "+1", count: 50_000) + " }}",
            "{{ x" + String(repeating: ".x", count: 50_000) + " }}",
            "{{ x" + String(repeating: "|list", count: 50_000) + " }}",
            String(repeating: "{% if x %}", count: 50_000),
            "{{ 1" + String(repeating: " if 1 else 1", count: 50_000) + " }}",
            "{% set " + deep,
        ] {
            #expect(throws: ChatTemplateError.self) { try ChatTemplate(source) }
        }
    }

    @Test func listsAndDictionariesDoNotChange() throws {
        for source in [
            "{{ [1].append(2) }}", "{{ {}.update({'a': 1}) }}", "{{ {'a': 1}.pop('a') }}", "{{ ''.__class__.__mro__ }}",
            "{% include 'x' %}", "{% import 'x' as x %}",
        ] {
            #expect(throws: ChatTemplateError.self) { try ChatTemplate(source).render([]) }
        }
    }
}
