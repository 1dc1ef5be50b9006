"""Clients from PyPI against a running server with the bundled model; run.sh starts it and sets INFER_URL."""

import json
import os
import threading
import time

import pytest
import requests

URL = os.environ["INFER_URL"]
MESSAGES = [{"role": "user", "content": "Speak to me, my lord."}]


@pytest.fixture(scope="module")
def openai_client():
    openai = pytest.importorskip("openai")
    return openai.OpenAI(base_url=URL + "/v1", api_key="none", max_retries=0)


@pytest.fixture(scope="module")
def anthropic_client():
    anthropic = pytest.importorskip("anthropic")
    return anthropic.Anthropic(base_url=URL, api_key="none", max_retries=0)


def running():
    """Sequences under way."""
    text = requests.get(URL + "/metrics").text
    lines = [l for l in text.splitlines() if l.startswith(("infer_requests_running{", "infer_requests_waiting{"))]
    return sum(float(line.split()[-1]) for line in lines)


def test_openai_chat(openai_client):
    answer = openai_client.chat.completions.create(model="bard", messages=MESSAGES, max_tokens=8, temperature=0)
    assert answer.choices[0].message.role == "assistant"
    assert answer.choices[0].message.content
    assert answer.choices[0].finish_reason == "length"
    assert answer.usage.completion_tokens == 8
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + 8
    assert answer.usage.prompt_tokens_details.cached_tokens >= 0


def test_openai_chat_stream_equals_whole(openai_client):
    fields = dict(model="bard", messages=MESSAGES, max_tokens=16, temperature=0)
    whole = openai_client.chat.completions.create(**fields).choices[0].message.content
    chunks = list(openai_client.chat.completions.create(**fields, stream=True, stream_options={"include_usage": True}))
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == whole
    assert [c.choices[0].delta.role for c in chunks if c.choices].count("assistant") == 1
    assert chunks[-1].usage.completion_tokens == 16 and not chunks[-1].choices
    assert all(c.usage is None for c in chunks[:-1])


def test_openai_chat_samples(openai_client):
    answer = openai_client.chat.completions.create(model="bard", messages=MESSAGES, max_tokens=8, n=3, seed=7)
    assert [c.index for c in answer.choices] == [0, 1, 2]
    again = openai_client.chat.completions.create(model="bard", messages=MESSAGES, max_tokens=8, n=3, seed=7)
    assert [c.message.content for c in answer.choices] == [c.message.content for c in again.choices]
    assert len({c.message.content for c in answer.choices}) > 1


def test_openai_chat_logprobs(openai_client):
    answer = openai_client.chat.completions.create(
        model="bard", messages=MESSAGES, max_tokens=4, temperature=0, logprobs=True, top_logprobs=3)
    content = answer.choices[0].logprobs.content
    assert len(content) == 4 and all(len(t.top_logprobs) == 3 for t in content)
    assert all(t.logprob == max(x.logprob for x in t.top_logprobs) for t in content)
    assert b"".join(bytes(t.bytes) for t in content).decode() == answer.choices[0].message.content


def test_openai_completions(openai_client):
    answer = openai_client.completions.create(model="bard", prompt=["ROMEO:", "JULIET:"], max_tokens=6, temperature=0)
    assert len(answer.choices) == 2
    text = "".join(
        c.choices[0].text
        for c in openai_client.completions.create(
            model="bard", prompt="ROMEO:", max_tokens=6, temperature=0, stream=True))
    assert text == answer.choices[0].text


def test_openai_completion_scores_a_prompt(openai_client):
    """What lm-eval's local-completions asks."""
    ids = requests.post(URL + "/tokenize", json={"content": "ROMEO: What light is this"}).json()["tokens"]
    answer = openai_client.completions.create(
        model="bard", prompt=[ids], max_tokens=1, temperature=0, logprobs=1, echo=True)
    logprobs = answer.choices[0].logprobs
    assert len(logprobs.token_logprobs) == len(ids) + 1
    assert logprobs.token_logprobs[0] is None and all(p <= 0 for p in logprobs.token_logprobs[1:])


def test_openai_responses(openai_client):
    first = openai_client.responses.create(model="bard", input="Who goes there?", max_output_tokens=8, temperature=0)
    assert first.output_text and first.usage.output_tokens == 8 and first.status == "incomplete"
    second = openai_client.responses.create(
        model="bard", input="And you?", previous_response_id=first.id, max_output_tokens=8)
    assert second.usage.input_tokens > first.usage.input_tokens + 8
    assert openai_client.responses.retrieve(first.id).output_text == first.output_text
    events = list(
        openai_client.responses.create(
            model="bard", input="Who goes there?", max_output_tokens=8, temperature=0, stream=True))
    assert events[0].type == "response.created" and events[-1].type == "response.incomplete"
    assert "".join(e.delta for e in events if e.type == "response.output_text.delta") == first.output_text
    assert [e.sequence_number for e in events] == list(range(len(events)))


def test_openai_errors(openai_client):
    import openai

    with pytest.raises(openai.NotFoundError) as error:
        openai_client.chat.completions.create(model="none", messages=MESSAGES)
    assert error.value.code == "model_not_found"
    with pytest.raises(openai.BadRequestError) as error:
        openai_client.chat.completions.create(model="bard", messages=[{"role": "user", "content": "thou " * 3000}])
    assert error.value.code == "context_length_exceeded"
    with pytest.raises(openai.BadRequestError) as error:
        openai_client.chat.completions.create(model="bard", messages=MESSAGES, temperature=-1)
    assert error.value.param == "temperature"


def test_openai_cancellation(openai_client):
    stream = openai_client.chat.completions.create(
        model="bard", messages=MESSAGES, max_tokens=450, stream=True, extra_body={"ignore_eos": True})
    next(iter(stream))
    stream.close()
    deadline = time.time() + 5
    while running() and time.time() < deadline:
        time.sleep(0.02)
    assert running() == 0


def test_openai_many_at_once(openai_client):
    fields = dict(model="bard", prompt="HAMLET:", temperature=0)
    expected = {n: openai_client.completions.create(**fields, max_tokens=n).choices[0].text for n in range(4, 20)}
    wrong = []

    def ask(n):
        text = openai_client.completions.create(**fields, max_tokens=n).choices[0].text
        if text != expected[n]:
            wrong.append((n, text, expected[n]))

    threads = [threading.Thread(target=ask, args=(n,)) for n in expected for _ in range(2)]
    [t.start() for t in threads], [t.join() for t in threads]
    assert not wrong


def test_openai_models(openai_client):
    assert [m.id for m in openai_client.models.list()] == [
        "bard", "scripted", "scripted-search", "embed-mean", "rerank",
    ]
    assert openai_client.models.retrieve("bard").id == "bard"


def test_anthropic(anthropic_client):
    fields = dict(model="bard", max_tokens=12, messages=MESSAGES, system="You are a king.", extra_body={"temperature": 0})
    whole = anthropic_client.messages.create(**fields)
    assert whole.role == "assistant" and whole.stop_reason == "max_tokens" and whole.usage.output_tokens == 12
    with anthropic_client.messages.stream(**fields) as stream:
        text = "".join(stream.text_stream)
        final = stream.get_final_message()
    assert text == whole.content[0].text == final.content[0].text
    assert final.usage.output_tokens == 12 and final.stop_reason == "max_tokens"
    counted = anthropic_client.messages.count_tokens(
        model="bard", messages=MESSAGES, system=[
            {"type": "text", "text": "x-anthropic-billing-header: cc_version=1; cch=abc"},
            {"type": "text", "text": "You are a king."}])
    plain = anthropic_client.messages.count_tokens(model="bard", messages=MESSAGES, system="You are a king.")
    assert counted.input_tokens == plain.input_tokens
    usage = whole.usage
    assert plain.input_tokens == usage.input_tokens + usage.cache_read_input_tokens


def test_anthropic_errors(anthropic_client):
    import anthropic

    with pytest.raises(anthropic.NotFoundError):
        anthropic_client.messages.create(model="none", max_tokens=5, messages=MESSAGES)
    with pytest.raises(anthropic.BadRequestError):
        anthropic_client.messages.create(model="bard", max_tokens=0, messages=MESSAGES)


def test_langchain():
    langchain = pytest.importorskip("langchain_openai")
    chat = langchain.ChatOpenAI(model="bard", base_url=URL + "/v1", api_key="none", temperature=0, max_tokens=8)
    answer = chat.invoke("Who goes there?")
    assert answer.content and answer.usage_metadata["output_tokens"] == 8
    assert "".join(chunk.content for chunk in chat.stream("Who goes there?")) == answer.content


def test_litellm():
    litellm = pytest.importorskip("litellm")
    fields = dict(model="openai/bard", api_base=URL + "/v1", api_key="none", messages=MESSAGES, max_tokens=8, temperature=0)
    answer = litellm.completion(**fields)
    text = "".join(c.choices[0].delta.content or "" for c in litellm.completion(**fields, stream=True))
    assert text == answer.choices[0].message.content
    with pytest.raises(litellm.ContextWindowExceededError):
        litellm.completion(**{**fields, "messages": [{"role": "user", "content": "thou " * 3000}]})


def test_llama_cpp_paths():
    answer = requests.post(URL + "/completion", json={"prompt": "ROMEO:", "n_predict": 8, "temperature": 0}).json()
    assert answer["stop"] and answer["tokens_predicted"] == 8 and answer["timings"]["predicted_n"] == 8
    lines = requests.post(
        URL + "/completion", json={"prompt": "ROMEO:", "n_predict": 8, "temperature": 0, "stream": True}).text
    chunks = [json.loads(l[6:]) for l in lines.splitlines() if l.startswith("data: ")]
    assert "".join(c["content"] for c in chunks) == answer["content"] and chunks[-1]["stop"]
    ids = requests.post(URL + "/tokenize", json={"content": "Good my lord"}).json()["tokens"]
    assert requests.post(URL + "/detokenize", json={"tokens": ids}).json()["content"] == "Good my lord"
    assert requests.get(URL + "/props").json()["total_slots"] == 8
    assert len(requests.get(URL + "/slots").json()) == 8


def test_bodies_made_from_the_description():
    """schemathesis makes requests from openapi.json; none may end in 5xx (but 501 for what a model cannot do)."""
    schemathesis = pytest.importorskip("schemathesis")
    from hypothesis import HealthCheck, Phase, settings

    schema = schemathesis.openapi.from_url(URL + "/openapi.json")
    for operation in schema.get_all_operations():
        operation = operation.ok()

        @settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck), phases=[Phase.generate])
        @__import__("hypothesis").given(case=operation.as_strategy())
        def check(case):
            if isinstance(case.body, dict):
                for key in ("max_tokens", "max_completion_tokens", "max_output_tokens", "n_predict"):
                    case.body[key] = 2
                case.body.pop("n", None)
            response = case.call(timeout=60)
            assert response.status_code < 500 or response.status_code == 501, (operation.label, response.text)

        check()
    assert requests.get(URL + "/health").status_code == 200


SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}}
ARGUMENTS = {"city": "Köln", "days": 2}


def test_openai_tools(openai_client):
    tools = [{"type": "function", "function": {"name": "weather", "parameters": SCHEMA}}]
    fields = dict(model="scripted", messages=MESSAGES, tools=tools, temperature=0)
    choice = openai_client.chat.completions.create(**fields).choices[0]
    assert choice.finish_reason == "tool_calls" and choice.message.content == "Let me see."
    assert choice.message.reasoning_content == "I need the weather."
    call = choice.message.tool_calls[0]
    assert call.function.name == "weather" and json.loads(call.function.arguments) == ARGUMENTS
    with openai_client.chat.completions.stream(**fields) as stream:
        streamed = stream.get_final_completion().choices[0]
    assert streamed.message.tool_calls[0].function.arguments == call.function.arguments
    assert streamed.message.content == "Let me see." and streamed.finish_reason == "tool_calls"
    said = [
        choice.message.model_dump(exclude_none=True),
        {"role": "tool", "tool_call_id": call.id, "content": "rain"}]
    assert openai_client.chat.completions.create(**{**fields, "messages": MESSAGES + said}).choices[0].message


def test_openai_responses_tools(openai_client):
    tools = [{"type": "function", "name": "weather", "parameters": SCHEMA}]
    answer = openai_client.responses.create(model="scripted", input="How is it?", tools=tools, temperature=0)
    assert [item.type for item in answer.output] == ["reasoning", "message", "function_call"]
    assert json.loads(answer.output[2].arguments) == ARGUMENTS and answer.output_text == "Let me see."
    events = list(openai_client.responses.create(
        model="scripted", input="How is it?", tools=tools, temperature=0, stream=True))
    done = [e for e in events if e.type == "response.function_call_arguments.done"]
    assert json.loads(done[0].arguments) == ARGUMENTS and events[-1].type == "response.completed"


def test_anthropic_tools(anthropic_client):
    tools = [{"name": "weather", "input_schema": SCHEMA}]
    fields = dict(model="scripted", max_tokens=30, messages=MESSAGES, tools=tools)
    answer = anthropic_client.messages.create(**fields)
    assert answer.stop_reason == "tool_use" and answer.content[-1].input == ARGUMENTS
    with anthropic_client.messages.stream(**fields) as stream:
        streamed = stream.get_final_message()
    assert [b.type for b in streamed.content] == ["thinking", "text", "tool_use"]
    assert streamed.content[-1].input == ARGUMENTS and streamed.stop_reason == "tool_use"


def test_langchain_tools():
    langchain_openai = pytest.importorskip("langchain_openai")
    chat = langchain_openai.ChatOpenAI(model="scripted", base_url=URL + "/v1", api_key="none", temperature=0)
    answer = chat.bind_tools([{"type": "function", "function": {"name": "weather", "parameters": SCHEMA}}]).invoke("How is it?")
    assert answer.tool_calls[0]["name"] == "weather" and answer.tool_calls[0]["args"] == ARGUMENTS


def person_model():
    pydantic = pytest.importorskip("pydantic")
    from typing import Literal

    class Person(pydantic.BaseModel):
        name: Literal["Romeo", "Juliet"]
        age: int = pydantic.Field(ge=1, le=99)
        friends: list[Literal["Mercutio", "Nurse"]] = pydantic.Field(max_length=2)

    return Person


def test_openai_structured_output(openai_client):
    """The model knows nothing of JSON: what the client can parse is the constraint's doing."""
    Person = person_model()
    parsed = openai_client.chat.completions.parse(
        model="bard", messages=MESSAGES, response_format=Person, max_tokens=200, seed=1).choices[0]
    assert isinstance(parsed.message.parsed, Person) and parsed.finish_reason == "stop"
    with openai_client.chat.completions.stream(
            model="bard", messages=MESSAGES, response_format=Person, max_tokens=200, seed=1) as stream:
        final = stream.get_final_completion().choices[0].message
    assert final.parsed == parsed.message.parsed
    many = openai_client.chat.completions.parse(
        model="bard", messages=MESSAGES, response_format=Person, max_tokens=200, seed=2, n=4).choices
    assert len({c.message.content for c in many}) > 1 and all(isinstance(c.message.parsed, Person) for c in many)
    response = openai_client.responses.parse(model="bard", input="Who?", text_format=Person, max_output_tokens=200)
    assert isinstance(response.output_parsed, Person)
    word = openai_client.chat.completions.create(
        model="bard", messages=MESSAGES, extra_body={"structured_outputs": {"choice": ["yes", "no"]}})
    assert word.choices[0].message.content in ("yes", "no")


def test_openai_bad_schema(openai_client):
    import openai

    fields = dict(model="bard", messages=MESSAGES)
    schema = {"name": "x", "schema": {"type": "object", "properties": {"a": {"type": "unheard-of"}}}}
    with pytest.raises(openai.BadRequestError) as error:
        openai_client.chat.completions.create(**fields, response_format={"type": "json_schema", "json_schema": schema})
    assert error.value.param == "response_format" and "#/properties/a/type" in str(error.value)


def test_openai_forced_tools(openai_client):
    # The bundled model's context of 512 tokens, most of one letter, holds no long descriptions.
    names = ["Romeo", "Juliet"]
    schema = {"type": "object", "properties": {"name": {"enum": names}}, "required": ["name"]}
    tool = {"type": "function", "function": {"name": "call", "parameters": schema}}
    other = {"type": "function", "function": {"name": "go"}}
    fields = dict(messages=[{"role": "user", "content": "Who?"}], tools=[tool, other], max_tokens=100, seed=1)
    for choice in ("required", {"type": "function", "function": {"name": "call"}}):
        answer = openai_client.chat.completions.create(model="bard", tool_choice=choice, **fields).choices[0]
        call = answer.message.tool_calls[0].function
        assert answer.finish_reason == "tool_calls" and not answer.message.content
        if call.name == "call":
            assert json.loads(call.arguments)["name"] in names
        else:
            assert choice == "required" and call.name == "go"
    response = openai_client.responses.create(
        model="bard", input="Who?", tool_choice="required", max_output_tokens=100, tools=[
            {"type": "function", "name": "call", "parameters": schema}])
    assert json.loads(response.output[0].arguments)["name"] in names


def test_anthropic_structured_output(anthropic_client):
    pydantic = pytest.importorskip("pydantic")

    from typing import Literal

    # This client leaves the bounds of numbers out of what it sends.
    class Role(pydantic.BaseModel):
        name: Literal["Romeo", "Juliet"]

    fields = dict(model="bard", max_tokens=200, messages=MESSAGES)
    schema = {
        "type": "object", "properties": {"name": {"enum": ["Romeo", "Juliet"]}}, "required": ["name"],
        "additionalProperties": False}
    answer = anthropic_client.messages.create(
        **fields, extra_body={"output_config": {"format": {"type": "json_schema", "schema": schema}}})
    assert json.loads(answer.content[0].text)["name"] in ("Romeo", "Juliet") and answer.stop_reason == "end_turn"
    tools = [{"name": "introduce", "input_schema": schema}]
    for choice in ({"type": "any"}, {"type": "tool", "name": "introduce"}):
        answer = anthropic_client.messages.create(**fields, tools=tools, tool_choice=choice)
        assert answer.stop_reason == "tool_use" and answer.content[0].input["name"] in ("Romeo", "Juliet")
    if hasattr(anthropic_client.messages, "parse"):
        parsed = anthropic_client.messages.parse(**fields, output_format=Role)
        assert isinstance(parsed.parsed_output, Role)


def test_langchain_structured_output():
    langchain_openai = pytest.importorskip("langchain_openai")
    Person = person_model()
    chat = langchain_openai.ChatOpenAI(
        model="bard", base_url=URL + "/v1", api_key="none", max_tokens=200, seed=1)
    assert isinstance(chat.with_structured_output(Person, method="json_schema").invoke("Who goes there?"), Person)


def test_llama_cpp_forms():
    schema = {"type": "array", "items": {"type": "integer", "minimum": 0, "maximum": 9}, "minItems": 2, "maxItems": 3}
    fields = {"prompt": "ROMEO:", "n_predict": 100, "seed": 1}
    answer = requests.post(URL + "/completion", json={**fields, "json_schema": schema}).json()
    assert 2 <= len(json.loads(answer["content"])) <= 3 and answer["stop_type"] == "eos"
    answer = requests.post(URL + "/completion", json={**fields, "grammar": 'root ::= "a"{3} [0-9]'}).json()
    assert answer["content"][:3] == "aaa" and answer["content"][3].isdigit() and len(answer["content"]) == 4
    both = requests.post(URL + "/completion", json={**fields, "json_schema": schema, "grammar": 'root ::= "a"'})
    assert both.status_code == 400


def cases(model, *flags):
    """What transformers' pipelines answer, with the arguments of our commands."""
    path = os.path.join(os.path.dirname(__file__), "../Fixtures/tasks/cases.json")
    found = [c for c in json.load(open(path))["cases"] if c["model"] == model]
    return [c for c in found if all(f in c["arguments"] for f in flags)] or found


def test_openai_embeddings(openai_client):
    case = next(c for c in cases("embed-mean") if not any(a.startswith("--") for a in c["arguments"]))
    texts = case["arguments"]
    answer = openai_client.embeddings.create(model="embed-mean", input=texts)
    assert [d.index for d in answer.data] == list(range(len(texts))) and answer.usage.prompt_tokens > 0
    for entry, expected in zip(answer.data, case["expected"]):
        assert entry.embedding == pytest.approx(expected, abs=1e-4)
    floats = openai_client.embeddings.create(model="embed-mean", input=texts[0], encoding_format="float")
    assert floats.data[0].embedding == pytest.approx(answer.data[0].embedding, abs=1e-6)
    ids = requests.post(URL + "/tokenize", json={"prompt": texts[0], "model": "embed-mean"})
    if ids.status_code == 200:
        vector = openai_client.embeddings.create(model="embed-mean", input=[ids.json()["tokens"]]).data[0].embedding
        assert len(vector) == len(answer.data[0].embedding)


def test_langchain_embeddings():
    langchain_openai = pytest.importorskip("langchain_openai")
    embedder = langchain_openai.OpenAIEmbeddings(
        model="embed-mean", base_url=URL + "/v1", api_key="none", check_embedding_ctx_length=False)
    vectors = embedder.embed_documents(["A dog ran.", "The stars shine."])
    assert len(vectors) == 2 and len(vectors[0]) == len(embedder.embed_query("A dog ran."))
    assert vectors[0] == pytest.approx(embedder.embed_query("A dog ran."), abs=1e-6)


def test_rerank():
    documents = ["Berlin is a city.", "A horse eats grass.", "Bread is baked."]
    answer = requests.post(URL + "/v1/rerank", json={
        "model": "rerank", "query": "What do horses eat?", "documents": documents}).json()["results"]
    scores = [r["relevance_score"] for r in answer]
    assert scores == sorted(scores, reverse=True) and sorted(r["index"] for r in answer) == [0, 1, 2]
