"""Uses Redis as redis-py does; prints what it got.

drive_redis.py PORT
"""
import sys

import redis

client = redis.Redis(host="127.0.0.1", port=int(sys.argv[1]))
client.flushall()
pipeline = client.pipeline(transaction=True)
for n in range(200):
    pipeline.set(f"k{n}", b"\r\n$-1\r\n" * (n % 7))
pipeline.mget([f"k{n}" for n in range(200)])
print(sum(len(value) for value in pipeline.execute()[-1]))
pipeline = client.pipeline(transaction=False)
for n in range(300):
    pipeline.incr("n")
    pipeline.lpush("l", n)
    pipeline.incr("l") if n % 50 == 0 else pipeline.get(f"k{n}")
print([str(answer) for answer in pipeline.execute(raise_on_error=False)])
client.set("large", b"x" * 700_000)
print(len(client.get("large")), client.strlen("large"))
client.hset("h", mapping={f"f{n}": n for n in range(100)})
print(sorted(client.hgetall("h").items()))
script = client.register_script("return {KEYS[1], {1, {2, 'x'}}, redis.call('GET', KEYS[1])}")
print(script(keys=["n"]), client.lrange("l", 0, 20), client.zrange("none", 0, -1))
try:
    client.hget("n", "f")
except redis.ResponseError as error:
    print(error)
heard = client.pubsub()
heard.subscribe("a", "b")
heard.psubscribe("c*")
print([heard.get_message(timeout=5)["type"] for _ in range(3)])
client.publish("a", "hello")
client.publish("cc", b"\r\n+OK\r\n")
print([heard.get_message(timeout=5)["data"] for _ in range(2)])
heard.unsubscribe()
heard.punsubscribe()
print([heard.get_message(timeout=5)["type"] for _ in range(3)])
heard.close()
print(client.blpop("l", 1), client.blpop("nothing", 1))
