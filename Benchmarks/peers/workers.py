"""What peers that are Python libraries share: a process that loads a model once and then does what it is asked, one JSON
object a line: {"op": "greedy", "prompt": [ids], "count": n}, {"op": "prompt", "count": n}, {"op": "decode", "count": n},
and, where it can, {"op": "batch", "sequences": n, "prompt": n, "decode": n}.
"""
import json
import os
import random
import sys


class Worker:
    """A subclass sets `vocabulary` and has `greedy(prompt, count)`, `prompt(count)` and `decode(count)`; the last two
    return seconds. `batch(sequences, prompt, decode)` returns those of all prompts and of decoding all sequences."""

    vocabulary = 0
    source = random.Random(3)

    def random(self, count):
        return [self.source.randrange(256, self.vocabulary - 1) for _ in range(count)]


def serve(worker):
    # What libraries print must not get between the answers.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    print(json.dumps({"ready": True}), file=answers, flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        if request["op"] == "greedy":
            answer = {"tokens": worker.greedy(request["prompt"], request["count"])}
        elif request["op"] == "prompt":
            answer = {"seconds": worker.prompt(request["count"])}
        elif request["op"] == "batch":
            answer = {"seconds": worker.batch(request["sequences"], request["prompt"], request["decode"])}
        else:
            answer = {"seconds": worker.decode(request["count"])}
        print(json.dumps(answer), file=answers, flush=True)
