import json
import sqlite3
import sys

articles = json.load(open(sys.argv[1]))
with sqlite3.connect(sys.argv[2]) as store:
    store.execute("create table article (name text, price integer)")
    store.executemany("insert into article values (:name, :price)", articles)
