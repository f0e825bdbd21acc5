"""A peer for tests: draws as many samples as it is given calls, and returns the first.

The question decides what else it does: with "judge" it has the first rated, with "crash" it ends,
with "hang" it never answers, with "babble" it answers no JSON, with "drop" it hangs up on a slow
request.
"""

from __future__ import annotations

import http.client
import json
import sys
import time
from typing import Any
from urllib.parse import urlsplit

URL, MODEL, MAX_TOKENS, TEMPERATURE = sys.argv[-4:]


def asked_of_the_engine(content: str) -> http.client.HTTPConnection:
    connection = http.client.HTTPConnection(urlsplit(URL).netloc)
    body = {
        "model": MODEL,
        "messages": [{"role": "system", "content": ""}, {"role": "user", "content": content}],
        "temperature": 1,
        "max_completion_tokens": 7,
        "seed": 5,
    }
    headers = {"Content-Type": "application/json"}
    connection.request("POST", "/v1/chat/completions", json.dumps(body), headers)
    return connection


def completion(content: str) -> Any:
    connection = asked_of_the_engine(content)
    answer = json.loads(connection.getresponse().read())
    connection.close()
    return answer


def solve(question: str, calls: int) -> dict[str, Any]:
    if "crash" in question:
        completion(question)
        raise RuntimeError("no majority")
    if "hang" in question:
        time.sleep(600)
    if "drop" in question:
        dropped = asked_of_the_engine("Rate the answer slowly.")
        time.sleep(0.3)
        dropped.close()
    answers = [completion(question) for _ in range(calls)]
    if "judge" in question:
        completion("Rate the answer.")
    used = sum(answer["usage"]["completion_tokens"] for answer in answers)
    text = answers[0]["choices"][0]["message"]["content"]
    return {"text": text, "claimed": {"completion_tokens": used}}


if __name__ == "__main__":
    print(json.dumps({"version": "9.9"}), flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        if "babble" in asked["question"]:
            print("what a question", flush=True)
        else:
            print(json.dumps(solve(asked["question"], asked["calls"])), flush=True)
