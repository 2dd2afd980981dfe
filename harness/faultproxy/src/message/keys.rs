//! Which arguments of a Redis command are keys:
//! <https://redis.io/docs/latest/develop/reference/key-specs/>.

/// The keys among `arguments`, the first of which is the command's name.
/// `name` is that in upper case; nothing is a key of a command that has none.
pub(super) fn of<'a>(name: &str, arguments: &'a [Vec<u8>]) -> Vec<&'a [u8]> {
    let range = |from: usize, to: usize| -> Vec<&'a [u8]> {
        let to = to.min(arguments.len());
        arguments.get(from..to).unwrap_or_default().iter().map(Vec::as_slice).collect()
    };
    let word = |at: usize| arguments.get(at).map(|word| word.to_ascii_uppercase());
    // The number of keys stands before them.
    let counted = |at: usize| {
        let count = arguments.get(at).and_then(|n| std::str::from_utf8(n).ok()?.parse().ok());
        range(at + 1, (at + 1).saturating_add(count.unwrap_or(0)))
    };
    match name {
        "AUTH" | "HELLO" | "PING" | "ECHO" | "SELECT" | "QUIT" | "RESET" | "INFO" | "MULTI"
        | "EXEC" | "DISCARD" | "UNWATCH" | "FLUSHALL" | "FLUSHDB" | "SWAPDB" | "DBSIZE"
        | "KEYS" | "SCAN" | "RANDOMKEY" | "TIME" | "WAIT" | "WAITAOF" | "SAVE" | "BGSAVE"
        | "BGREWRITEAOF" | "LASTSAVE" | "SHUTDOWN" | "MONITOR" | "ROLE" | "REPLICAOF"
        | "SLAVEOF" | "SYNC" | "PSYNC" | "FAILOVER" | "READONLY" | "READWRITE" | "ASKING"
        | "PUBLISH" | "SPUBLISH" | "SUBSCRIBE" | "PSUBSCRIBE" | "SSUBSCRIBE" | "UNSUBSCRIBE"
        | "PUNSUBSCRIBE" | "SUNSUBSCRIBE" | "ACL" | "CLIENT" | "CLUSTER" | "COMMAND" | "CONFIG"
        | "FUNCTION" | "LATENCY" | "MODULE" | "PUBSUB" | "SCRIPT" | "SLOWLOG" => vec![],
        "DEL" | "UNLINK" | "EXISTS" | "TOUCH" | "MGET" | "WATCH" | "SDIFF" | "SINTER"
        | "SUNION" | "SDIFFSTORE" | "SINTERSTORE" | "SUNIONSTORE" | "PFCOUNT" | "PFMERGE" => {
            range(1, usize::MAX)
        }
        "RENAME" | "RENAMENX" | "COPY" | "SMOVE" | "RPOPLPUSH" | "BRPOPLPUSH" | "LMOVE"
        | "BLMOVE" | "LCS" | "ZRANGESTORE" | "GEOSEARCHSTORE" => range(1, 3),
        // The last argument is how long to wait.
        "BLPOP" | "BRPOP" | "BZPOPMIN" | "BZPOPMAX" => range(1, arguments.len().max(1) - 1),
        "BITOP" => range(2, usize::MAX),
        // Keys and values alternate.
        "MSET" | "MSETNX" => range(1, usize::MAX).into_iter().step_by(2).collect(),
        "ZUNION" | "ZINTER" | "ZDIFF" | "ZINTERCARD" | "SINTERCARD" | "LMPOP" | "ZMPOP" => {
            counted(1)
        }
        "EVAL" | "EVALSHA" | "EVAL_RO" | "EVALSHA_RO" | "FCALL" | "FCALL_RO" | "BLMPOP"
        | "BZMPOP" => counted(2),
        "ZUNIONSTORE" | "ZINTERSTORE" | "ZDIFFSTORE" => [range(1, 2), counted(2)].concat(),
        "XREAD" | "XREADGROUP" => {
            let streams = (1..arguments.len()).find(|&at| word(at).as_deref() == Some(b"STREAMS"));
            // As many keys as places in them.
            streams.map_or(vec![], |at| range(at + 1, at + 1 + (arguments.len() - at - 1) / 2))
        }
        "MIGRATE" => {
            let many = (1..arguments.len()).find(|&at| word(at).as_deref() == Some(b"KEYS"));
            many.map_or_else(|| range(3, 4), |at| range(at + 1, usize::MAX))
        }
        "SORT" | "GEORADIUS" | "GEORADIUSBYMEMBER" => {
            let stores = |at: &usize| matches!(word(*at).as_deref(), Some(b"STORE" | b"STOREDIST"));
            let target = (2..arguments.len()).find(stores);
            [range(1, 2), target.map_or(vec![], |at| range(at + 1, at + 2))].concat()
        }
        "XGROUP" | "XINFO" | "OBJECT" | "MEMORY" | "DEBUG" => range(2, 3),
        _ => range(1, 2),
    }
}

/// What stands in place of a secret.
const HIDDEN: &[u8] = b"(hidden)";

/// The arguments with every password hidden: what is logged is read by others
/// than those who may log in.
pub(super) fn without_secrets(name: &str, arguments: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut shown = arguments.to_vec();
    let word = |at: usize| arguments.get(at).map(|word| word.to_ascii_uppercase());
    let mut hide = |from: usize, to: usize| {
        for argument in shown.iter_mut().take(to).skip(from) {
            *argument = HIDDEN.to_vec();
        }
    };
    let behind =
        |option: &[u8]| (1..arguments.len()).find(|&at| word(at).as_deref() == Some(option));
    match (name, word(1).as_deref()) {
        // With a name in front or without: the password is last.
        ("AUTH", _) => hide(arguments.len().max(2) - 1, usize::MAX),
        ("HELLO", _) => {
            if let Some(at) = behind(b"AUTH") {
                hide(at + 2, at + 3);
            }
        }
        ("MIGRATE", _) => {
            for (option, name_len) in [(&b"AUTH"[..], 0), (b"AUTH2", 1)] {
                if let Some(at) = behind(option) {
                    hide(at + 1 + name_len, at + 2 + name_len);
                }
            }
        }
        ("ACL", Some(b"SETUSER")) => hide(3, usize::MAX),
        ("CONFIG", Some(b"SET")) => hide(3, usize::MAX),
        ("SENTINEL", Some(b"SET")) => hide(4, usize::MAX),
        ("SENTINEL", Some(b"CONFIG")) => hide(4, usize::MAX),
        _ => {}
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<Vec<u8>> {
        line.split(' ').map(|word| word.as_bytes().to_vec()).collect()
    }

    fn joined(words: &[Vec<u8>]) -> String {
        let words: Vec<_> = words.iter().map(|word| String::from_utf8_lossy(word)).collect();
        words.join(" ")
    }

    #[test]
    fn the_keys_of_a_command_are_all_of_them_and_nothing_else() {
        for (line, keys) in [
            ("GET a", "a"),
            ("SET a b PX 10", "a"),
            ("DEL a b c", "a b c"),
            ("MSET a 1 b 2", "a b"),
            ("EVALSHA x 2 a b c", "a b"),
            ("EVAL x many a", ""),
            ("BLPOP a b 0", "a b"),
            ("ZUNIONSTORE t 2 a b WEIGHTS 1 2", "t a b"),
            ("ZINTER 2 a b", "a b"),
            ("XREAD COUNT 2 STREAMS a b 0 0", "a b"),
            ("MIGRATE h 1 a 0 10", "a"),
            ("SORT a BY w STORE b", "a b"),
            ("BITOP AND t a", "t a"),
            ("RENAME a b", "a b"),
            ("BLMPOP 0 1 a LEFT", "a"),
            ("PUBLISH a b", ""),
            ("AUTH secret", ""),
            ("OBJECT ENCODING a", "a"),
            ("PING", ""),
            ("BLPOP", ""),
        ] {
            let words = words(line);
            let name = line.split(' ').next().unwrap();
            let found: Vec<Vec<u8>> = of(name, &words).into_iter().map(<[u8]>::to_vec).collect();
            assert_eq!(joined(&found), keys, "{line}");
        }
    }

    #[test]
    fn no_password_is_shown() {
        for (line, shown) in [
            ("AUTH pw", "AUTH (hidden)"),
            ("AUTH ann pw", "AUTH ann (hidden)"),
            ("HELLO 3 AUTH ann pw SETNAME x", "HELLO 3 AUTH ann (hidden) SETNAME x"),
            ("MIGRATE h 1 k 0 9 AUTH pw KEYS a", "MIGRATE h 1 k 0 9 AUTH (hidden) KEYS a"),
            ("MIGRATE h 1 k 0 9 AUTH2 ann pw", "MIGRATE h 1 k 0 9 AUTH2 ann (hidden)"),
            ("ACL SETUSER ann >pw", "ACL SETUSER ann (hidden)"),
            ("CONFIG SET requirepass pw", "CONFIG SET requirepass (hidden)"),
            ("SENTINEL SET m auth-pass pw", "SENTINEL SET m auth-pass (hidden)"),
            ("SENTINEL CONFIG SET sentinel-pass pw", "SENTINEL CONFIG SET sentinel-pass (hidden)"),
            ("AUTH", "AUTH"),
            ("GET pw", "GET pw"),
        ] {
            let name = line.split(' ').next().unwrap();
            assert_eq!(joined(&without_secrets(name, &words(line))), shown);
        }
    }
}
