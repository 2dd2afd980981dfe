/// What a history of one's own looks like, for `quarrel explain history`.
pub const HISTORY: &str = "\
A history is what clients saw, in the order in which it happened: for every operation an event
when it begins and one when it ends, in one log for all clients. Write the first before the call
and the second after it.

One JSON object a line, fields in any order, others are left out:

  {\"process\":0,\"type\":\"invoke\",\"f\":\"write\",\"key\":7,\"value\":1}
  {\"process\":0,\"type\":\"ok\",    \"f\":\"write\",\"key\":7,\"value\":1}
  {\"process\":1,\"type\":\"invoke\",\"f\":\"read\", \"key\":7,\"value\":null}
  {\"process\":1,\"type\":\"ok\",    \"f\":\"read\", \"key\":7,\"value\":1}

  field    needed  what
  process  yes     who: a whole number, one operation at a time; \"nemesis\" for whoever makes faults
  type     yes     invoke: it begins. ok: it happened. fail: it certainly had no effect.
                   info: nobody knows (a time-out); that process never appears again
  f        yes     read, write, cas ([old, new]), delete; get, put, append; add, inc, remove,
                   contains; enqueue, dequeue, drain; acquire, release; txn
  value    yes     of a write what it stores, of a read what it saw (null: nothing was there),
                   of a txn a list of [\"r\", key, value], [\"w\", key, value], [\"append\", key, value].
                   Values that are never written twice to a key make the answer exact and fast
  key      no      which register, of any type; without it there is one
  time     no      nanoseconds since the start, whole; without it lines count, and no lengths of
                   time can be told
  index    no      the number of the event, from 0
  version  no      which version of the key the primary gave the value, in completions
  error    no      why, of fail and info

The same as CSV, under a line of names; as EDN, as Jepsen writes it; or in one JSON array:

  process,type,f,key,value
  0,invoke,write,7,1
  0,ok,write,7,1

Transactions by session, as testers of isolation keep them, tell no time between sessions: Plume's
and PolySI's w(key,value,session,transaction), AWDIT's `w key value`, dbcop's JSON.

A file may be compressed by gzip, xz or zstd, and `-` is standard input. What cannot be read is told
with its line, and exit code 65; what was taken for granted is told, too.

  quarrel check my-history.jsonl                  reads and writes: every guarantee
  quarrel check my-history.csv --model queue      anything else: linearizable or not
  quarrel check txns.jsonl --isolation strict-serializable
  quarrel export my-history.edn --format jsonl    written in another format
";
