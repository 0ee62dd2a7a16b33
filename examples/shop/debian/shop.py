#!/usr/bin/python3
"""The shop of the folder above in Python: the same services, requests, settings and command line, so that its images
take the place of the others. What differs is what they are built of: packages of Debian's and of Python's."""

import contextlib
import html
import json
import os
import queue
import secrets
import sys
import threading
import time
import urllib.error
import urllib.request
from collections import deque

import bottle
import waitress

KEPT_LINES = 1000
MAX_QUANTITY = 99
PATIENCE = 5  # seconds, for a sibling's answer
SEED_TRIES = 120


def setting(name, default=""):
    return os.environ.get(f"SHOP_{name}", default)


def refuse(status, why):
    raise bottle.HTTPError(status, why)


def is_id(word):
    return 1 <= len(word) <= 40 and all(c.isascii() and (c.islower() or c.isdigit() or c == "-") for c in word)


def ask(sibling, path, method="GET", value=None, text=None, **fields):
    """A sibling's answer, decoded if there is something to decode; its refusals are passed on, and one that is not there is a 502."""
    address = setting(sibling.upper(), f"{sibling}:8080")
    text = text if value is None else json.dumps(value)
    body = None if text is None else text.encode()
    fields["Content-Type"] = "application/json"
    request = urllib.request.Request(f"http://{address}{path}", body, fields, method=method)
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            told = answer.read()
            return json.loads(told) if answer.headers.get_content_type() == "application/json" else None
    except urllib.error.HTTPError as refusal:
        refuse(refusal.code, refusal.read().decode(errors="replace"))
    except OSError as error:
        refuse(502, f"{sibling}: {error}")


def answer(value, status=200):
    bottle.response.status = status
    bottle.response.content_type = "application/json"
    return json.dumps(value)


def catalogue(app):
    file, lock = os.path.join(setting("DATA", "/data"), "articles.json"), threading.Lock()
    articles = {}
    if os.path.exists(file):
        with open(file, encoding="utf-8") as kept:
            articles.update((each["id"], each) for each in json.load(kept))

    @app.get("/articles")
    def _list():
        return answer([articles[key] for key in sorted(articles)])

    @app.post("/articles")
    def _put():
        article = bottle.request.json or {}
        if not (is_id(article.get("id", "")) and article.get("name") and isinstance(article.get("price"), int)):
            refuse(400, f"no such article can be: {article}")
        with lock:
            articles[article["id"]] = article
            with open(f"{file}.new", "w", encoding="utf-8") as new:
                json.dump(list(articles.values()), new)
            os.replace(f"{file}.new", file)
        return answer(article, 201)


def cart(app):
    carts, lock = {}, threading.Lock()

    def priced(name):
        known = {each["id"]: each for each in ask("catalogue", "/articles")}
        with lock:
            contents = [(known[key], quantity) for key, quantity in carts.get(name, {}).items() if key in known]
        lines = [{"name": each["name"], "quantity": n, "price": n * each["price"]} for each, n in contents]
        return {"lines": lines, "total": sum(line["price"] for line in lines)}

    @app.get("/carts/<name>")
    def _read(name):
        return answer(priced(name))

    @app.post("/carts/<name>/items")
    def _add(name):
        item = bottle.request.json or {}
        article, quantity = item.get("article"), item.get("quantity", 0)
        if article not in {each["id"] for each in ask("catalogue", "/articles")}:
            refuse(404, "there is no such article")
        with lock:
            contents = carts.setdefault(name, {})
            quantity += contents.get(article, 0)
            if not 0 < quantity <= MAX_QUANTITY:
                refuse(400, f"not {quantity} of it")
            contents[article] = quantity
        return answer(priced(name), 201)

    @app.delete("/carts/<name>")
    def _forget(name):
        with lock:
            carts.pop(name, None)
        return ""


def order(app):
    paid, lock = [], threading.Lock()
    key = {"Authorization": f"Bearer {setting('PAYMENT_KEY')}"}

    @app.get("/orders")
    def _list():
        return answer(paid)

    @app.post("/orders")
    def _place():
        path = f"/carts/{(bottle.request.json or {}).get('cart')}"
        total = ask("cart", path)["total"]
        if not total:
            refuse(409, "the cart is empty")
        receipt = ask("payment", "/payments", "POST", {"amount": total}, **key)
        with lock:
            paid.append({"id": len(paid) + 1, "total": total, "payment": receipt["payment"]})
            placed = paid[-1]
        ask("cart", path, "DELETE")
        return answer(placed, 201)


def payment(app):
    taken, lock = [0], threading.Lock()

    @app.post("/payments")
    def _take():
        if bottle.request.get_header("Authorization") != f"Bearer {setting('PAYMENT_KEY')}":
            refuse(401, "who pays?")
        if not (bottle.request.json or {}).get("amount"):
            refuse(400, "nothing to pay")
        with lock:
            taken[0] += 1
            return answer({"payment": taken[0]}, 201)


def log(app):
    lines = deque(maxlen=KEPT_LINES)

    @app.post("/lines")
    def _append():
        text = bottle.request.body.read().decode(errors="replace")
        print(text, end="", flush=True)
        lines.extend(text.splitlines())
        return ""

    @app.get("/lines")
    def _lines():
        bottle.response.content_type = "text/plain"
        return "".join(f"{line}\n" for line in lines)


def web(app):
    title, currency = html.escape(setting("TITLE", "The shop")), html.escape(setting("CURRENCY", "EUR"))

    def money(hundredths):
        return f"{hundredths // 100}.{hundredths % 100:02} {currency}"

    def page(body):
        foot = f"<footer>web {html.escape(setting('VERSION', '1'))}</footer>"
        return f"<!doctype html>\n<title>{title}</title>\n<h1>{title}</h1>\n{body}\n{foot}\n"

    def visitor():
        known = bottle.request.get_cookie("cart")
        if known and is_id(known):
            return known
        new = secrets.token_hex(16)
        bottle.response.set_cookie("cart", new, path="/", httponly=True, samesite="strict")
        return new

    @app.get("/")
    def _shop():
        articles, contents = ask("catalogue", "/articles"), ask("cart", f"/carts/{visitor()}")
        button = '<form method="post" action="/cart"><button name="article" value="{}">into the cart</button></form>'
        offered = "".join(f"<li>{html.escape(a['name'])} {money(a['price'])} {button.format(a['id'])}\n" for a in articles)
        chosen = "".join(f"<li>{n['quantity']} {html.escape(n['name'])} {money(n['price'])}\n" for n in contents["lines"])
        total = f"<p>Together: {money(contents['total'])}</p>"
        buy = '<form method="post" action="/order"><button>Order</button></form>'
        return page(f"<ul>\n{offered}</ul>\n<h2>Your cart</h2>\n<ul>\n{chosen}</ul>\n{total}\n{buy}")

    @app.post("/cart")
    def _add():
        ask("cart", f"/carts/{visitor()}/items", "POST", {"article": bottle.request.forms.article, "quantity": 1})
        bottle.redirect("/", 303)

    @app.post("/order")
    def _order():
        placed = ask("order", "/orders", "POST", {"cart": visitor()})
        return page(f"<p>Thank you: order {placed['id']}, {money(placed['total'])}, is paid.</p>")


def journal(name, app):
    """Says each request to `log`, off the request's way; what nobody takes for long is dropped."""
    lines = queue.Queue(maxsize=KEPT_LINES)

    def send():
        while True:
            line = lines.get()
            try:
                ask("log", "/lines", "POST", text=line)
            except bottle.HTTPError:
                print(line, end="", flush=True)

    @app.hook("after_request")
    def _tell():
        request = bottle.request
        if request.path not in ("/healthz", "/readyz"):
            with contextlib.suppress(queue.Full):
                lines.put_nowait(f"{name} {request.method} {request.path} {bottle.response.status_code}\n")

    threading.Thread(target=send, daemon=True).start()


SERVICES = {each.__name__: each for each in (web, catalogue, cart, order, payment, log)}
#: Whom a service cannot answer without.
NEEDS = {"web": ["catalogue", "cart"], "cart": ["catalogue"], "order": ["cart", "payment"]}


def serve(name):
    app = bottle.Bottle()
    app.default_error_handler = lambda error: f"{error.body}\n"
    app.get("/healthz")(lambda: "ok\n")

    @app.get("/readyz")
    def _ready():
        for sibling in NEEDS.get(name, []):
            ask(sibling, "/healthz")
        return "ok\n"

    SERVICES[name](app)
    if name != "log":
        journal(name, app)
    host, _, port = setting("LISTEN", "0.0.0.0:8080").rpartition(":")
    waitress.serve(app, host=host, port=int(port), threads=8, _quiet=True)


def seed(file):
    with open(file, encoding="utf-8") as text:
        articles = json.load(text)
    for article in articles:
        for attempt in range(SEED_TRIES):
            try:
                ask("catalogue", "/articles", "POST", article)
                break
            except bottle.HTTPError as refusal:
                if refusal.status_code != 502 or attempt + 1 == SEED_TRIES:
                    raise
                time.sleep(0.5)
    print(f"the catalogue has {len(articles)} articles")


def check():
    port = setting("LISTEN", "0.0.0.0:8080").rpartition(":")[2]
    urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=PATIENCE).close()


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["seed", file]:
            seed(file)
        case ["check"]:
            check()
        case [name] if name in SERVICES:
            serve(name)
        case _:
            sys.exit(f"usage: shop {'|'.join(SERVICES)} | seed FILE | check")
