"""A Flask application with the sessions of one of the packages, driven over its standard input.

Each line is a request as JSON, and each response is a line. The first argument is `flask_dynamodb_sessions`,
`msgpack` or `signed`, where the last two are Flask-Session. The second one is the table.
"""

import decimal
import json
import os
import sys
import warnings

import boto3
from flask import Flask, flash, jsonify, session

KIND, TABLE = sys.argv[1:]
ENDPOINT = os.environ["AWS_ENDPOINT_URL_DYNAMODB"]

warnings.simplefilter("ignore")
app = Flask(__name__)
app.secret_key = "secret"
if KIND == "flask_dynamodb_sessions":
    from flask_dynamodb_sessions import Session

    app.config.update(
        SESSION_DYNAMODB_ENDPOINT=ENDPOINT,
        SESSION_DYNAMODB_REGION=os.environ["AWS_REGION"],
        SESSION_DYNAMODB_TABLE=TABLE,
        SESSION_DYNAMODB_CONSISTENT_READ=True,
    )
else:
    from flask_session import Session

    app.config.update(
        SESSION_TYPE="dynamodb",
        SESSION_DYNAMODB=boto3.resource("dynamodb", endpoint_url=ENDPOINT),
        SESSION_DYNAMODB_TABLE=TABLE,
        SESSION_SERIALIZATION_FORMAT="json" if KIND == "signed" else "msgpack",
        SESSION_USE_SIGNER=KIND == "signed",
    )
Session(app)


@app.route("/start")
def start():
    session["name"] = 'Ada "Lovelace" \u00e9\U0001f600'
    session["cart"] = [7, 9, {"article": "A-1", "price": 12.5}]
    session["flags"] = {"dark": True, "beta": False, "none": None}
    session["visits"] = 1
    session["point"] = (1, -2)
    shared = ["same"]
    session["twice"] = [shared, shared]
    flash("saved", "info")
    return read()


@app.route("/add")
def add():
    session["visits"] = session.get("visits", 0) + 1
    return read()


@app.route("/read")
def read():
    return jsonify({key: value for key, value in session.items() if key != "_permanent"})


@app.route("/object")
def price():
    session["price"] = decimal.Decimal("1.5")
    return ""


@app.route("/logout")
def logout():
    session.clear()
    return ""


# What the packages print goes to the standard error.
out, sys.stdout = sys.stdout, sys.stderr
for line in sys.stdin:
    request = json.loads(line)
    headers = {"cookie": request["cookie"]} if request["cookie"] else {}
    client = app.test_client(use_cookies=False)
    response = client.get(request["path"], headers=headers)
    cookies = [cookie.split(";")[0] for cookie in response.headers.getlist("set-cookie")]
    reply = {
        "status": response.status_code,
        "body": response.get_data(as_text=True),
        "cookie": cookies[0] if cookies else None,
    }
    print(json.dumps(reply), file=out, flush=True)
