#!/usr/bin/env python3
"""Derives golden-20.10.jsonl from recorded answers of a real dockerd.

    golden.py golden-20.10-transcripts.json > golden-20.10.jsonl

A line for each recorded exchange: the request, the status, and of the answer what a replay compares:
the message of an error, the members of an object, or the text of a stream.
"""
import json
import sys


def main():
    for exchange in json.load(open(sys.argv[1])):
        request, answer = exchange["request"], exchange["response"]
        facts = {
            "case": exchange["case"],
            "method": request["method"],
            "path": request["path"],
            "body": request.get("body"),
            "headers": request.get("headers"),
            "status": exchange["status"],
        }
        if isinstance(answer, list) and answer:
            answer = answer[0]
        if isinstance(answer, dict):
            facts.update({"message": answer["message"]} if "message" in answer else {"members": sorted(answer)})
        print(json.dumps(facts, sort_keys=True))


main()
