"""Searches of a collection by OpenAI's client against a running server; run.sh indexes docs/ for it."""

import os
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

URL = os.environ["INFER_URL"]
MESSAGES = [{"role": "user", "content": "Who wades?"}]
SAID = "Let me look.\n\nThe heron wades [1], the pike waits [3, 9]."


@pytest.fixture(scope="module")
def openai_client():
    openai = pytest.importorskip("openai")
    return openai.OpenAI(base_url=URL + "/v1", api_key="none", max_retries=0)


def test_vector_store(openai_client):
    page = openai_client.vector_stores.search(vector_store_id="docs", query="block size of formats", max_num_results=3)
    assert len(page.data) == 3
    assert page.data[0].filename.endswith(".md") and page.data[0].content[0].text
    assert page.data[0].score >= page.data[1].score


def test_search_equals_vector_store(openai_client):
    found = requests.post(URL + "/v1/search", json={"query": "paged cache", "top_k": 4}).json()["data"]
    page = openai_client.vector_stores.search(vector_store_id="docs", query="paged cache", max_num_results=4)
    assert [hit["score"] for hit in found] == [hit.score for hit in page.data]
    assert all(hit["start"] < hit["end"] and hit["start_line"] <= hit["end_line"] for hit in found)


def test_unknown_collection(openai_client):
    openai = pytest.importorskip("openai")
    with pytest.raises(openai.NotFoundError):
        openai_client.vector_stores.search(vector_store_id="nothing", query="a")
    with pytest.raises(openai.BadRequestError):
        openai_client.vector_stores.search(vector_store_id="docs", query=" ")


def test_chat_tool(openai_client):
    answer = openai_client.chat.completions.create(
        model="scripted-search", messages=MESSAGES, tools=[{"type": "search", "top_k": 3}], temperature=0)
    message = answer.choices[0].message
    assert message.content == SAID and answer.choices[0].finish_reason == "stop" and not message.tool_calls
    # Nothing in the documents has to do with herons, so that nothing is cited.
    assert message.annotations == [] and answer.search_results == []


def test_chat_tool_stream(openai_client):
    chunks = list(openai_client.chat.completions.create(
        model="scripted-search", messages=MESSAGES, temperature=0, stream=True,
        tools=[{"type": "file_search", "vector_store_ids": ["docs"]}]))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == SAID
    assert chunks[-1].choices[0].finish_reason == "stop"


def test_searches_beside_answers(openai_client):
    """Searches are answered while answers are being written."""
    with ThreadPoolExecutor(12) as pool:
        answers = [pool.submit(
            openai_client.chat.completions.create, model="bard", messages=MESSAGES, max_tokens=64) for _ in range(4)]
        found = list(pool.map(
            lambda query: requests.post(URL + "/v1/search", json={"query": query}).json()["data"],
            ["tokens", "cache", "kernel", "schema", "device", "grammar", "block", "batch"] * 4))
        assert all(hits for hits in found) and found[:8] == found[8:16] == found[24:]
        assert all(answer.result().choices[0].message.content for answer in answers)
