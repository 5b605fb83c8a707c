"""The predecessor: flask-dynamodb-sessions under Flask, with the same handlers as the other programs.

A loop of its own takes the place of the Python runtime: it fetches events from the Runtime API, calls the
application as WSGI does, and sends the responses.
"""

import http.client
import io
import json
import os
import sys

from flask import Flask, session
from flask_dynamodb_sessions import Session

app = Flask(__name__)
app.config.update(
    SESSION_DYNAMODB_ENDPOINT=os.environ["AWS_ENDPOINT_URL_DYNAMODB"],
    SESSION_DYNAMODB_REGION=os.environ["AWS_REGION"],
    SESSION_DYNAMODB_TABLE="sessions",
)
Session(app)


@app.route("/none")
def none():
    return "hello\n"


@app.route("/read")
def read():
    return f"visit {session['n']}\n"


@app.route("/read-write")
def read_write():
    session["n"] += 1
    return f"visit {session['n']}\n"


@app.route("/start/<int:kilobytes>")
def start(kilobytes):
    session["n"] = 0
    for part in range(kilobytes):
        # Each is a string of its own: pickle writes equal objects once.
        session[f"f{part}"] = f"{part:04}".ljust(1000, "x")
    return "started\n"


def environ(event):
    headers = dict(event["headers"])
    if "cookies" in event:
        headers["cookie"] = "; ".join(event["cookies"])
    request = event["requestContext"]["http"]
    variables = {
        "REQUEST_METHOD": request["method"],
        "SCRIPT_NAME": "",
        "PATH_INFO": event["rawPath"],
        "QUERY_STRING": event["rawQueryString"],
        "REMOTE_ADDR": request["sourceIp"],
        "SERVER_NAME": headers["host"],
        "SERVER_PORT": "443",
        "SERVER_PROTOCOL": request["protocol"],
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "https",
        "wsgi.input": io.BytesIO(event.get("body", "").encode()),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": False,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    for name, value in headers.items():
        variables["HTTP_" + name.upper().replace("-", "_")] = value
    return variables


def handle(event):
    response = {"isBase64Encoded": False, "headers": {}, "cookies": []}

    def start_response(status, headers, exc_info=None):
        response["statusCode"] = int(status.split(" ")[0])
        for name, value in headers:
            if name.lower() == "set-cookie":
                response["cookies"].append(value)
            else:
                response["headers"][name] = value

    response["body"] = b"".join(app(environ(event), start_response)).decode()
    return response


def main():
    runtime = "/2018-06-01/runtime/invocation/"
    connection = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    while True:
        connection.request("GET", runtime + "next")
        event = connection.getresponse()
        id = event.headers["Lambda-Runtime-Aws-Request-Id"]
        response = handle(json.load(event))
        connection.request("POST", f"{runtime}{id}/response", json.dumps(response))
        connection.getresponse().read()


main()
