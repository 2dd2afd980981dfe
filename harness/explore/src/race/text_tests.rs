use std::time::Duration;

use proptest::{collection::vec, option, prelude::*};
use quarrel_checkers::{Key, Object, Site, Value};
use quarrel_sim::{Claim, Mishap};

use super::{Answer, Cached, Line, LineEvent, Pattern, Race, Setup, Shown, StoreEvent};

const ARTICLE: &str = "\
strategy cache-aside
key 1 = Alex, cached nowhere
pause replica
t=0ms  Writer A: UPDATE 1 = Alice
t=1ms  Writer A: DEL 1
t=2ms  Writer B: UPDATE 1 = Alicia
t=3ms  Writer B: DEL 1
t=4ms  Reader C: GET 1            -> miss
t=4ms  Reader C: SELECT replica 1 -> Alex
t=4ms  Reader C: SET 1 = Alex
resume replica
t=30ms Reader D: GET 1            -> Alex   !stale
";

fn error(text: &str) -> String {
    text.parse::<Race>().expect_err("the text is wrong").to_string()
}

#[test]
fn the_articles_timeline_is_a_race() {
    let race: Race = ARTICLE.parse().unwrap();
    assert_eq!(race.actors(), ["Writer A", "Writer B", "Reader C", "Reader D"]);
    assert_eq!(race.steps(), 8);
    assert_eq!(race.lines.last().unwrap().claim, Some(Claim::Stale));
    assert_eq!(race.lines[1].number, 4);
    insta::assert_snapshot!(race, @"
    strategy cache-aside
    key 1 = Alex, cached nowhere
    pause replica
    t=0ms  Writer A: UPDATE 1 = Alice
    t=1ms  Writer A: DEL 1
    t=2ms  Writer B: UPDATE 1 = Alicia
    t=3ms  Writer B: DEL 1
    t=4ms  Reader C: GET 1            -> miss
    t=4ms  Reader C: SELECT replica 1 -> Alex
    t=4ms  Reader C: SET 1 = Alex
    resume replica
    t=30ms Reader D: GET 1            -> Alex !stale
    ");
}

#[test]
fn what_a_report_prints_can_be_read_back() {
    let race: Race = "\
t=1ms Writer A: UPDATE 7 = v2     -> ok     lsn 0/3A10
t=4ms Reader B: SELECT replica 7  -> v1     at 0/39F8, one write behind
"
    .parse()
    .unwrap();
    assert_eq!(race.lines[1].comment.as_deref(), Some("at 0/39F8, one write behind"));
}

#[test]
fn errors_name_line_column_and_what_was_expected() {
    assert_eq!(
        error("strategy cache-aside\nt=soon Writer A: DEL 1"),
        "line 2, column 3: expected a duration of at most 1h, such as 30ms, found `soon`"
    );
    assert_eq!(
        error("Writer A: DEL one"),
        "line 1, column 15: expected an object, such as 1, marker:1 or 1:v3, found `one`"
    );
    assert_eq!(
        error("Writer A: DEL 1, vanishes"),
        "line 1, column 18: expected what goes wrong: fails, request lost, reply lost or delayed, found `vanishes`"
    );
    assert_eq!(
        error("key 1 = Alex"),
        "line 1, column 13: expected `, cached nowhere`, `, cached` or `, cached = VALUE vVERSION`, found the end of the line"
    );
    assert_eq!(
        error("Reader B: GET 1 -> miss !odd"),
        "line 1, column 26: expected a claim: stale, not-linearizable, read-your-writes, non-monotonic, dirty, lost, diverged, found `odd`"
    );
    for (text, expected) in [
        ("Reader B: GET 1 !lost", "line 1, column 17: expected a claim about an operation;"),
        ("!stale", "line 1, column 1: expected this claim behind a step"),
        ("pause replica !stale", "line 1, column 15: expected this claim behind a step"),
        ("Agent cdc: DEL 1 !stale", "line 1, column 18: expected this claim behind a step"),
        ("Agent cdc: read 1", "line 1, column 12: expected a step: agents and jobs"),
        ("key 1 absent\nkey 1 = 2, cached", "line 2, column 5: expected a key that no line before"),
        ("t=2h failover", "line 1, column 3: expected a duration of at most 1h"),
        ("evict 4294967296", "line 1, column 7: expected an object"),
        ("Client A: read 4294967296", "line 1, column 16: expected a key, which is a whole number"),
    ] {
        let told = error(text);
        assert!(told.starts_with(expected), "{text}: {told}");
    }
    assert_eq!(
        error("{\nReader B: GET 1"),
        "line 3, column 1: expected `}`, found the end of the file; `{` stands in line 1"
    );
    assert_eq!(
        error("Reader B: GET 1 -> miss now"),
        "line 1, column 25: expected the end of the line, found `now`"
    );
}

fn values() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Nil),
        any::<i64>().prop_map(Value::Int),
        "[A-Za-z][a-z0-9-]{0,6}".prop_map(|text| Value::from(text.as_str())),
        "(miss|ok|tombstone|nil|-5|12|at|lsn)".prop_map(|text| Value::from(text.as_str())),
        "[ -~äß\n\t]{0,8}".prop_map(|text| Value::from(text.as_str())),
    ]
}

fn objects() -> impl Strategy<Value = Object> {
    ("(|marker|lease|pointer)", 0..100_u64, option::of(0..9_u64))
        .prop_map(|(space, key, version)| Object { space: space.into(), key: Key(key), version })
}

fn contents() -> impl Strategy<Value = Shown> {
    prop_oneof![values().prop_map(Shown::Value), (0..9_u64).prop_map(Shown::Tombstone)]
}

fn answers() -> impl Strategy<Value = Answer> {
    prop_oneof![
        Just(Answer::Miss),
        Just(Answer::Ok),
        Just(Answer::Refused),
        Just(Answer::Failed),
        Just(Answer::Unknown),
        contents().prop_map(Answer::Found),
    ]
}

fn patterns() -> impl Strategy<Value = Pattern> {
    let site = option::of(prop_oneof![Just(Site::Primary), Just(Site::Replica)]);
    ("(GET|SET|DEL|CAS|UPDATE|SELECT)", site, option::of(objects()), option::of(contents()))
        .prop_map(|(verb, site, object, content)| Pattern { verb, site, object, content })
}

fn events() -> impl Strategy<Value = StoreEvent> {
    prop_oneof![
        Just(StoreEvent::PauseReplica),
        Just(StoreEvent::ReplayReplica),
        Just(StoreEvent::ResumeAcks),
        Just(StoreEvent::RestoreCache),
        Just(StoreEvent::Failover),
        (0..9_u64, 0..9_u64).prop_map(|(key, version)| StoreEvent::ReplayTo(Key(key), version)),
        objects().prop_map(StoreEvent::Evict),
        objects().prop_map(StoreEvent::Expire),
        (0..9_u64, values()).prop_map(|(key, value)| StoreEvent::ManualUpdate(Key(key), value)),
    ]
}

fn whats() -> impl Strategy<Value = LineEvent> {
    let actor = || "(Writer|Reader|Client) [A-Z]";
    let mishap = option::of(proptest::sample::select(Mishap::ALL.to_vec()));
    let site = proptest::sample::select(vec![Site::Primary, Site::Replica, Site::Cache]);
    prop_oneof![
        4 => (actor(), patterns(), mishap, option::of(answers()))
            .prop_map(|(actor, call, mishap, reply)| LineEvent::Step { actor, call, mishap, reply }),
        1 => (actor(), 0..9_u64).prop_map(|(actor, key)| LineEvent::Read { actor, key: Key(key) }),
        1 => (actor(), 0..9_u64, values())
            .prop_map(|(actor, key, value)| LineEvent::Write { actor, key: Key(key), value }),
        1 => actor().prop_map(|actor| LineEvent::Crash { actor }),
        1 => (actor(), option::of(patterns()))
            .prop_map(|(actor, call)| LineEvent::Deliver { actor, call }),
        2 => events().prop_map(LineEvent::Event),
        1 => (site, objects(), answers())
            .prop_map(|(site, object, reply)| LineEvent::Check { site, object, reply }),
    ]
}

fn lines() -> impl Strategy<Value = Line> {
    let at = option::of((0..99_999_u64).prop_map(|n| Duration::from_nanos(n * 12_500)));
    let claim = option::of(any::<proptest::sample::Index>());
    let comment = option::of("[a-z#\"]{1,9}");
    (at, prop_oneof![9 => whats(), 1 => Just(LineEvent::Nothing)], claim, comment).prop_map(
        |(at, what, claim, comment)| {
            let fits = |claim: &Claim| match &what {
                LineEvent::Nothing => claim.is_about_the_end(),
                LineEvent::Step { .. } | LineEvent::Read { .. } | LineEvent::Write { .. } => {
                    !claim.is_about_the_end()
                }
                _ => false,
            };
            let claims: Vec<_> = Claim::ALL.into_iter().filter(fits).collect();
            let chosen = claim.filter(|_| !claims.is_empty()).map(|claim| *claim.get(&claims));
            // An empty line is none.
            let claim = chosen.or((what == LineEvent::Nothing).then_some(Claim::Lost));
            Line { number: 0, column: 0, at, what, claim, comment }
        },
    )
}

fn races() -> impl Strategy<Value = Race> {
    let cached = prop_oneof![
        Just(Cached::Nowhere),
        Just(Cached::ByStrategy),
        (values(), 0..9_u64).prop_map(|(value, version)| Cached::As(value, version)),
    ];
    let setup = (0..9_u64, values(), cached).prop_map(|(key, value, cached)| Setup {
        key: Key(key),
        value: Some(value),
        cached,
    });
    let group = vec(lines(), 0..3).prop_map(|lines| Line::of(LineEvent::Group(lines)));
    let line = prop_oneof![5 => lines(), 1 => group];
    let option = ("[a-z]{1,5}", "[a-z0-9 ]{1,5}");
    ("[a-z]{1,9}", vec(option, 0..2), vec(setup, 0..3), vec(line, 0..8)).prop_map(
        |(strategy, options, mut keys, lines)| {
            keys.sort_by_key(|setup| setup.key);
            keys.dedup_by_key(|setup| setup.key);
            Race { strategy, options, keys, lines }
        },
    )
}

/// The same race as it would come from no file.
fn unnumbered(mut race: Race) -> Race {
    for line in &mut race.lines {
        (line.number, line.column) = (0, 0);
        if let LineEvent::Group(lines) = &mut line.what {
            lines.iter_mut().for_each(|line| (line.number, line.column) = (0, 0));
        }
    }
    race
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_printed_is_what_is_read(race in races()) {
        let text = race.to_string();
        let read = text.parse::<Race>().map_err(|error| TestCaseError::fail(format!("{error}\n{text}")))?;
        prop_assert_eq!(unnumbered(read), race, "{}", text);
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in "[ -~\n]{0,200}") {
        drop(text.parse::<Race>());
    }
}
