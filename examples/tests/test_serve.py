"""cloister-serve, as the official client of OpenAI sees it. One server for all, over a Unix socket: the cache is warm, and answers are short."""
import atexit
import contextlib
import functools
import json
import shutil
import socket
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

import httpx
import openai
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from home import BIN, MODEL, clean_env, plain_home

SERVE = BIN.with_name("cloister-serve")
SECONDS = 300  # for one answer, and for loading
HELLO = [{"role": "user", "content": "Say hello."}]
WEATHER = {"name": "get_weather", "description": "Get the weather in a city", "parameters": {
    "type": "object", "required": ["city", "unit"],
    "properties": {"city": {"type": "string", "maxLength": 20}, "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]}}}}
CLOCK = {"name": "get_time", "description": "Get the time of day", "parameters": {"type": "object", "properties": {}}}
TOOLS = [{"type": "function", "function": f} for f in (WEATHER, CLOCK)]
FLAT = [{"type": "function", **f} for f in (WEATHER, CLOCK)]
RAIN = [{"role": "user", "content": "What is the weather in Rome, in celsius?"}]
DEGREES = [{"role": "user", "content": "So how many degrees is it in Rome? Answer in words, with the number."}]
PERSON = {"type": "object", "required": ["name", "age"], "properties": {"name": {"type": "string", "maxLength": 12}, "age": {"type": "integer", "maximum": 99}}}


class Server:
    """A running server, and clients of it."""

    def __init__(self, *args, model=MODEL, listen=None):
        self.folder = Path(tempfile.mkdtemp())
        self.socket = self.folder / "serve.sock"
        self.process = subprocess.Popen([str(SERVE), "--model", str(model), "--listen", listen or f"unix:{self.socket}", *map(str, args)],
                                        env=clean_env(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        atexit.register(self.stop)
        self.said = self.process.stdout.readline()
        if not self.said:
            raise AssertionError(f"the server did not start: exit code {self.process.wait()}")

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def http(self):
        return httpx.Client(transport=httpx.HTTPTransport(uds=str(self.socket)), base_url="http://localhost", timeout=SECONDS)

    def client(self):
        return openai.OpenAI(base_url="http://localhost/v1", api_key="none", max_retries=0, timeout=SECONDS,
                             http_client=httpx.Client(transport=httpx.HTTPTransport(uds=str(self.socket)), timeout=SECONDS))

    def metrics(self):
        with self.http() as http:
            page = http.get("/metrics").text
        return {sample.name + "".join(f" {v}" for v in sample.labels.values()): sample.value
                for family in text_string_to_metric_families(page) for sample in family.samples}


@functools.cache
def server():
    return Server()


class Case(unittest.TestCase):
    def setUp(self):
        self.client = server().client()
        self.addCleanup(self.client.close)
        self.model = MODEL.stem.lower()

    def chat(self, messages=HELLO, **more):
        return self.client.chat.completions.create(model=self.model, messages=messages, **{"max_tokens": 8, **more})

    def assert_refused(self, status, said, ask):
        with self.assertRaises(openai.APIStatusError) as caught:
            ask()
        self.assertEqual(caught.exception.status_code, status, caught.exception)
        self.assertIn(said, caught.exception.body["message"])
        return caught.exception


class Chat(Case):
    def test_an_answer_and_its_counts(self):
        answer = self.chat()
        self.assertTrue(answer.choices[0].message.content)
        self.assertEqual((answer.object, answer.model, answer.choices[0].message.role), ("chat.completion", self.model, "assistant"))
        self.assertEqual(answer.usage.total_tokens, answer.usage.prompt_tokens + answer.usage.completion_tokens)
        self.assertLessEqual(answer.usage.completion_tokens, 8)
        again = self.chat()
        self.assertEqual(again.choices[0].message.content, answer.choices[0].message.content)
        self.assertGreaterEqual(again.usage.prompt_tokens_details.cached_tokens, answer.usage.prompt_tokens - 1)

    def test_a_stream_says_the_same_and_tells_the_usage(self):
        whole = self.chat()
        chunks = list(self.chat(stream=True, stream_options={"include_usage": True}))
        self.assertEqual("".join(c.choices[0].delta.content or "" for c in chunks if c.choices), whole.choices[0].message.content)
        self.assertGreater(len(chunks), 3)
        self.assertEqual([c.choices[0].finish_reason for c in chunks if c.choices][-1], whole.choices[0].finish_reason)
        self.assertEqual(chunks[-1].usage.completion_tokens, whole.usage.completion_tokens)
        self.assertTrue(all(c.usage is None for c in self.chat(stream=True)))

    def test_the_limit_is_said(self):
        answer = self.chat([{"role": "user", "content": "Count to fifty."}], max_tokens=None, max_completion_tokens=3)
        self.assertEqual((answer.choices[0].finish_reason, answer.usage.completion_tokens), ("length", 3))

    def test_nothing_of_a_stop_string_is_told(self):
        count = [{"role": "user", "content": "Repeat exactly: red green blue"}]
        free = self.chat(count, max_tokens=12).choices[0].message.content
        stop = free[len(free) // 2:][:3]
        for stream in (False, True):
            answer = self.chat(count, max_tokens=12, stop=["never said", stop], stream=stream)
            if stream:
                chunks = list(answer)
                said, finish = "".join(c.choices[0].delta.content or "" for c in chunks), chunks[-1].choices[0].finish_reason
            else:
                said, finish = answer.choices[0].message.content, answer.choices[0].finish_reason
            self.assertEqual((said, finish), (free[:free.index(stop)], "stop"))

    def test_a_seed_repeats_a_draw(self):
        say = lambda seed: self.chat([{"role": "user", "content": "Write a poem."}], temperature=1.5, seed=seed).choices[0].message.content
        self.assertEqual(say(7), say(7))
        self.assertEqual(len({say(1), say(2), say(3)}), 3)

    def test_likelihoods(self):
        answer = self.chat(logprobs=True, top_logprobs=3, max_tokens=4)
        tokens = answer.choices[0].logprobs.content
        self.assertEqual(b"".join(bytes(t.bytes) for t in tokens).decode(), answer.choices[0].message.content)
        for token in tokens:
            self.assertEqual(len(token.top_logprobs), 3)
            self.assertEqual(token.top_logprobs[0].token, token.token, "greedy takes the likeliest")
            self.assertLessEqual(token.logprob, 0)
        self.assertIsNone(self.chat(max_tokens=1).choices[0].logprobs)

    def test_a_schema_is_kept(self):
        form = {"type": "json_schema", "json_schema": {"name": "person", "strict": True, "schema": PERSON}}
        answer = self.chat([{"role": "user", "content": "Make up a person."}], response_format=form, max_tokens=40, temperature=2.0, seed=5)
        person = json.loads(answer.choices[0].message.content)
        self.assertEqual(list(person), ["name", "age"])
        self.assertIsInstance(person["age"], int)
        self.assertEqual(answer.choices[0].finish_reason, "stop")

    def test_any_object(self):
        answer = self.chat([{"role": "user", "content": "An empty JSON object, please: {}"}], response_format={"type": "json_object"}, max_tokens=40)
        self.assertTrue(answer.choices[0].message.content.startswith("{"))


class Functions(Case):
    def one_call(self, answer):
        self.assertEqual(answer.choices[0].finish_reason, "tool_calls")
        self.assertIsNone(answer.choices[0].message.content)
        (call,) = answer.choices[0].message.tool_calls
        return call

    def assert_weather(self, arguments):
        arguments = json.loads(arguments)
        self.assertEqual(list(arguments), ["city", "unit"])
        self.assertIn(arguments["unit"], ["celsius", "fahrenheit"])
        self.assertLessEqual(len(arguments["city"]), 20)
        return arguments

    def test_required_always_calls(self):
        call = self.one_call(self.chat(RAIN, tools=TOOLS, tool_choice="required", parallel_tool_calls=False, max_tokens=60))
        self.assertEqual(call.function.name, "get_weather")
        self.assertEqual(self.assert_weather(call.function.arguments), {"city": "Rome", "unit": "celsius"})

    def test_required_calls_even_where_chance_rules(self):
        for seed in range(3):
            call = self.one_call(self.chat(HELLO, tools=TOOLS, tool_choice="required", parallel_tool_calls=False, max_tokens=80, temperature=2.0, seed=seed))
            if call.function.name == "get_weather":
                self.assert_weather(call.function.arguments)
            else:
                self.assertEqual((call.function.name, call.function.arguments), ("get_time", "{}"))

    def test_the_function_that_is_named_is_called(self):
        choice = {"type": "function", "function": {"name": "get_time"}}
        call = self.one_call(self.chat(RAIN, tools=TOOLS, tool_choice=choice, max_tokens=60))
        self.assertEqual((call.function.name, call.function.arguments), ("get_time", "{}"))

    def test_none_calls_nothing(self):
        answer = self.chat(RAIN, tools=TOOLS, tool_choice="none")
        self.assertIsNone(answer.choices[0].message.tool_calls)
        self.assertTrue(answer.choices[0].message.content)

    def test_auto_calls_what_serves_and_abstains_otherwise(self):
        call = self.one_call(self.chat(RAIN, tools=TOOLS, max_tokens=60, parallel_tool_calls=False))
        self.assertEqual(call.function.name, "get_weather")
        answer = self.chat([{"role": "user", "content": "Who wrote Hamlet?"}], tools=TOOLS, tool_choice="auto")
        self.assertIsNone(answer.choices[0].message.tool_calls)
        self.assertTrue(answer.choices[0].message.content)

    def test_a_streamed_call_is_the_same(self):
        options = dict(tools=TOOLS, tool_choice="required", parallel_tool_calls=False, max_tokens=60)
        whole = self.one_call(self.chat(RAIN, **options))
        chunks = list(self.chat(RAIN, stream=True, **options))
        parts = [part for c in chunks for part in c.choices[0].delta.tool_calls or []]
        self.assertEqual((parts[0].function.name, {p.index for p in parts}), (whole.function.name, {0}))
        self.assertTrue(parts[0].id)
        self.assertEqual("".join(p.function.arguments for p in parts), whole.function.arguments)
        self.assertGreater(len(parts), 3, "arguments come while they are written")
        self.assertEqual(chunks[-1].choices[0].finish_reason, "tool_calls")

    def test_several_calls(self):
        ask = [{"role": "user", "content": "What is the weather in Rome and in Oslo, in celsius? Call once for each city."}]
        answer = self.chat(ask, tools=TOOLS, tool_choice="required", parallel_tool_calls=True, max_tokens=120)
        self.assertEqual(answer.choices[0].finish_reason, "tool_calls")
        for call in answer.choices[0].message.tool_calls:
            self.assertIn(call.function.name, ["get_weather", "get_time"])
        self.assertGreater(len(answer.choices[0].message.tool_calls), 1)

    def test_what_a_function_gave_is_read(self):
        call = {"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": '{"city": "Rome", "unit": "celsius"}'}}
        dialogue = [*RAIN, {"role": "assistant", "content": None, "tool_calls": [call]},
                    {"role": "tool", "tool_call_id": "call_1", "content": "31 degrees and sunny"}, *DEGREES]
        answer = self.chat(dialogue, tools=TOOLS, tool_choice="none", max_tokens=24)
        self.assertIn("31", answer.choices[0].message.content)


class Responses(Case):
    def respond(self, **more):
        return self.client.responses.create(model=self.model, **{"max_output_tokens": 16, **more})

    def test_text(self):
        answer = self.respond(input="Say hello.", instructions="Be brief.", max_output_tokens=3)
        self.assertTrue(answer.output_text)
        self.assertEqual((answer.status, answer.incomplete_details.reason), ("incomplete", "max_output_tokens"))
        self.assertEqual(answer.usage.output_tokens, 3)

    def test_a_call_and_its_output(self):
        answer = self.respond(input=RAIN, tools=FLAT, tool_choice="required", parallel_tool_calls=False, max_output_tokens=60)
        (call,) = answer.output
        self.assertEqual((call.type, call.name, json.loads(call.arguments)["city"]), ("function_call", "get_weather", "Rome"))
        output = {"type": "function_call_output", "call_id": call.call_id, "output": "31 degrees"}
        answer = self.respond(input=[*RAIN, *answer.output, output, *DEGREES], tools=FLAT, tool_choice="none", max_output_tokens=24)
        self.assertIn("31", answer.output_text)

    def test_a_schema_is_kept(self):
        form = {"format": {"type": "json_schema", "name": "person", "strict": True, "schema": PERSON}}
        self.assertEqual(list(json.loads(self.respond(input="Make up a person.", text=form, max_output_tokens=40).output_text)), ["name", "age"])

    def test_streams_are_put_together_by_the_client(self):
        whole = self.respond(input="Say hello.")
        with self.client.responses.stream(model=self.model, input="Say hello.", max_output_tokens=16) as stream:
            kinds = [event.type for event in stream]
            self.assertEqual(stream.get_final_response().output_text, whole.output_text)
        self.assertEqual(kinds[:4], ["response.created", "response.in_progress", "response.output_item.added", "response.content_part.added"])
        with self.client.responses.stream(model=self.model, input=RAIN, tools=FLAT, tool_choice="required", parallel_tool_calls=False,
                                          max_output_tokens=60) as stream:
            events = list(stream)
            (call,) = stream.get_final_response().output
        self.assertEqual("".join(e.delta for e in events if e.type == "response.function_call_arguments.delta"), call.arguments)
        self.assertEqual([e.sequence_number for e in events if hasattr(e, "sequence_number")], list(range(len(events))))

    def test_nothing_is_stored(self):
        self.assert_refused(400, "nothing is stored", lambda: self.respond(input="more", previous_response_id="resp_1"))


class Others(Case):
    def test_completions(self):
        answer = self.client.completions.create(model=self.model, prompt="1, 2, 3, 4,", max_tokens=6, logprobs=2)
        self.assertIn("5", answer.choices[0].text)
        self.assertEqual("".join(answer.choices[0].logprobs.tokens), answer.choices[0].text)
        self.assertEqual(len(answer.choices[0].logprobs.top_logprobs[0]), 2)
        chunks = list(self.client.completions.create(model=self.model, prompt="1, 2, 3, 4,", max_tokens=6, stream=True))
        self.assertEqual("".join(c.choices[0].text for c in chunks), answer.choices[0].text)

    def test_models_and_health(self):
        (listed,) = self.client.models.list().data
        self.assertEqual((listed.id, self.client.models.retrieve(listed.id).id), (self.model, self.model))
        with server().http() as http:
            self.assertEqual(http.get("/health").json(), {"status": "ok"})

    def test_metrics_count(self):
        before = server().metrics()
        answer = self.chat(max_tokens=3)
        after = server().metrics()
        grew = lambda name: after[f"cloister_serve_{name}"] - before.get(f"cloister_serve_{name}", 0)
        self.assertEqual(grew("jobs_total Done"), 1)
        self.assertEqual(grew("sampled_tokens_total"), answer.usage.completion_tokens)
        self.assertEqual(grew("prompt_tokens_total") + grew("cached_tokens_total"), answer.usage.prompt_tokens)
        self.assertGreater(grew("decode_seconds_total"), 0)
        self.assertEqual(after["cloister_serve_queue_depth"], 0)

    def test_a_client_that_leaves_stops_the_work(self):
        """Streamed or not: long before the 2000 tokens are written, the engine is free again."""
        story = [{"role": "user", "content": "Count from 1 to 500, one number on each line."}]
        for stream in (True, False):
            before = server().metrics().get("cloister_serve_jobs_total Left", 0)
            sampled = server().metrics()["cloister_serve_sampled_tokens_total"]
            if stream:
                with self.chat(story, max_tokens=2000, stream=True) as chunks:
                    next(iter(chunks))
            else:
                with contextlib.suppress(openai.APITimeoutError):
                    self.chat(story, max_tokens=2000, timeout=0.5)
            self.chat(max_tokens=1)
            after = server().metrics()
            self.assertEqual(after["cloister_serve_jobs_total Left"], before + 1)
            self.assertLess(after["cloister_serve_sampled_tokens_total"] - sampled, 1000)


class Refused(Case):
    def test_what_is_beyond_a_limit_or_not_done(self):
        deep = {"type": "object"}
        for _ in range(40):
            deep = {"type": "object", "properties": {"x": deep}}
        wide = {"type": "object", "properties": {f"property_{i}": {"type": "string"} for i in range(3000)}}
        function = lambda **more: [{"type": "function", "function": {"name": "f", **more}}]
        schema = lambda s: {"type": "json_schema", "json_schema": {"name": "s", "schema": s}}
        cases = [
            (404, "not loaded", lambda: self.client.chat.completions.create(model="gpt-4o", messages=HELLO)),
            (413, "longer than", lambda: self.chat([{"role": "user", "content": "x" * (5 << 20)}])),
            (400, "context", lambda: self.chat([{"role": "user", "content": "word " * 40000}])),
            (400, "messages", lambda: self.chat([])),
            (400, "nested", lambda: self.chat(tools=function(parameters=deep))),
            (400, "longer than", lambda: self.chat(tools=function(parameters=wide))),
            (400, "more than 128", lambda: self.chat(tools=[{"type": "function", "function": {"name": f"f{i}"}} for i in range(129)])),
            (400, "twice", lambda: self.chat(tools=function() * 2)),
            (400, "cannot name", lambda: self.chat(tools=[{"type": "function", "function": {"name": "rm -rf"}}])),
            (400, "not among", lambda: self.chat(tools=TOOLS, tool_choice={"type": "function", "function": {"name": "other"}})),
            (400, "no `tools`", lambda: self.chat(tool_choice="required")),
            (400, "enforced", lambda: self.chat(response_format=schema({"not": {"type": "string"}}))),
            (400, "must be a JSON object", lambda: self.chat(response_format=schema([]))),
            (400, "temperature", lambda: self.chat(temperature=3)),
            (400, "`n`", lambda: self.chat(n=2)),
            (400, "at least 1", lambda: self.chat(max_tokens=0)),
            (400, "stop strings", lambda: self.chat(stop=["x"] * 9)),
            (400, "image_url", lambda: self.chat([{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:"}}]}])),
            (400, "logit_bias", lambda: self.chat(logit_bias={"1": 5})),
            (400, "top_logprobs", lambda: self.chat(logprobs=True, top_logprobs=21)),
        ]
        for status, said, ask in cases:
            with self.subTest(said):
                self.assert_refused(status, said, ask)
        self.assertTrue(self.chat(max_tokens=1).choices[0].message.content, "the twin: what is within the limits is served")

    def test_paths_methods_and_bodies(self):
        with server().http() as http:
            for answer, status in [(http.get("/v2"), 404), (http.get("/v1/chat/completions"), 405), (http.post("/v1/completions", content=b"{"), 400)]:
                self.assertEqual(answer.status_code, status)
                self.assertTrue(answer.json()["error"]["message"])

    def test_web_pages_are_not_served(self):
        with server().http() as http:
            self.assertEqual(http.get("/v1/models").status_code, 200)
            self.assertEqual(http.get("/v1/models", headers={"Origin": "http://localhost"}).status_code, 403)
            self.assertEqual(http.get("/v1/models", headers={"Host": "rebound.example:80"}).status_code, 403)

    def test_a_full_queue_says_so(self):
        story = {"model": self.model, "messages": [{"role": "user", "content": "Tell a story."}], "max_tokens": 2000, "stream": True}
        body = json.dumps(story).encode()
        head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        with contextlib.ExitStack() as waiting:
            for place in range(17):
                one = waiting.enter_context(socket.socket(socket.AF_UNIX))
                one.settimeout(SECONDS)
                one.connect(str(server().socket))
                one.sendall(head + body)
                if place == 0:
                    self.assertIn(b"200 OK", one.recv(64), "the first is at work, so the next sixteen wait")
            self.wait_for(16)
            self.assert_refused(429, "wait already", self.chat)
        self.wait_for(0)
        self.assertTrue(self.chat(max_tokens=1).choices[0].message.content, "the queue empties when they leave")

    def wait_for(self, depth):
        """Until this many requests wait."""
        deadline = time.monotonic() + 60
        while server().metrics()["cloister_serve_queue_depth"] != depth:
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.1)


class Start(unittest.TestCase):
    def refused(self, *args):
        run = subprocess.run([str(SERVE), *map(str, args)], env=clean_env(), capture_output=True, text=True, timeout=SECONDS, check=False)
        self.assertNotEqual(run.returncode, 0)
        self.assertEqual(run.stdout, "")
        return run.stderr

    def test_only_this_machine_can_be_listened_to(self):
        for address in ("0.0.0.0:8080", "[::]:8080", "192.168.1.1:80", "example.com:80"):
            self.assertIn("not a loopback address", self.refused("--model", MODEL, "--listen", address))

    def test_a_file_that_is_not_the_one_meant_is_not_loaded(self):
        self.assertIn("has SHA-256", self.refused("--model", MODEL, "--sha256", "0" * 64))

    def test_an_unknown_name_is_said(self):
        self.assertIn("no model `nobody` is pinned in `/nonexistent`", self.refused("--model", "nobody", "--home", "/nonexistent"))

    def test_a_pinned_model_is_served_on_a_loopback_port(self):
        home = plain_home()
        (pin,) = home.must("--json", "models", "list").doc
        running = Server("--home", home.path, model=pin["name"], listen="127.0.0.1:0")
        self.addCleanup(running.stop)
        url = running.said.split()[-1]
        self.assertTrue(url.startswith("http://127.0.0.1:"), running.said)
        with openai.OpenAI(base_url=url, api_key="none") as client:
            self.assertEqual([m.id for m in client.models.list().data], [pin["name"]])

    def test_a_socket_is_its_owners_and_replaced_when_stale(self):
        self.assertEqual(server().socket.stat().st_mode & 0o777, 0o700)
        self.assertIn("somebody listens", self.refused("--model", MODEL, "--listen", f"unix:{server().socket}"))
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, "notes.txt")
            file.write_text("mine", encoding="utf-8")
            self.assertIn("no socket", self.refused("--model", MODEL, "--listen", f"unix:{file}"))
            self.assertEqual(file.read_text(encoding="utf-8"), "mine")


if __name__ == "__main__":
    unittest.main()
