//! The commands: what each is for, how it is used, what its exit code says.

/// What the help of one command says besides its flags.
pub(super) struct Page {
    /// Its words after `quarrel`.
    pub(super) command: &'static str,
    /// What it does, in a line.
    pub(super) about: &'static str,
    /// What `--help` says besides, in whole sentences.
    pub(super) more: &'static str,
    /// Command lines, each with what it is for.
    pub(super) examples: &'static [(&'static str, &'static str)],
    /// What its exit codes mean, besides those of every command.
    pub(super) codes: &'static [(u8, &'static str)],
}

/// Exit codes of every command.
pub(super) const ALWAYS: &[(u8, &str)] = &[
    (64, "the command line makes no sense"),
    (65, "bad input: a file that was given makes no sense"),
    (70, "a bug in quarrel"),
    (130, "interrupted"),
];

const DONE: &[(u8, &str)] =
    &[(0, "done"), (4, "environment: a file cannot be read or written, or a port is taken")];

const VERDICT: &[(u8, &str)] = &[
    (0, "the guarantee held"),
    (1, "it was violated"),
    (2, "undecided"),
    (3, "vacuous: nothing was at stake"),
    (4, "environment: no engine, image or port, or a server died under the run"),
];

pub(super) const PAGES: &[Page] = &[
    Page {
        command: "run",
        about: "Runs a strategy on a cluster under faults and judges what clients saw",
        more: "",
        examples: &[
            ("run cache-aside --fault replica-lag", "a failing run"),
            (
                "run cache-aside --fault redis-cut --time 30s --seed 7",
                "a longer storm, every draw decided",
            ),
            (
                "run version-guard --fault failover --cluster sim",
                "no servers: simulated, in a second",
            ),
            ("run --app app.toml --fault replica-lag", "your own application, as it is"),
            ("run --profile ci", "the runs that quarrel.toml has under that name, one exit code"),
        ],
        codes: VERDICT,
    },
    Page {
        command: "init",
        about: "Writes a quarrel.toml: which runs belong to this project",
        more: "`quarrel run --profile NAME` looks for the file in the current folder and in those \
above it.",
        examples: &[("init", "a file to begin with, in the current folder")],
        codes: DONE,
    },
    Page {
        command: "explore",
        about: "Tries every interleaving of a few operations on simulated stores; prints the smallest break",
        more: "Clients begin with the row absent or there, the entry cold or warm. What a search did not try is said in its `searched:` line.",
        examples: &[
            ("explore cache-aside", "the smallest race that breaks it"),
            ("explore cache-aside --out found.race", "keep it, for quarrel replay"),
            (
                "explore --app app.toml",
                "every order of your application's own messages, on real servers",
            ),
        ],
        codes: &[
            (0, "it held: every interleaving was tried, and something was at stake"),
            (1, "it broke"),
            (2, "undecided: nothing broke, but not everything was tried"),
            (3, "vacuous: nothing was at stake"),
            (4, "environment: an application or its servers failed"),
        ],
    },
    Page {
        command: "matrix",
        about: "Strategies × faults: the strongest guarantee that holds in each cell",
        more: "Without --cluster each cell is explored: every interleaving of a writer, a client that writes and \
reads, and a client that reads twice, on simulated stores, with the column's faults at every \
possible point. It shows the strongest guarantee that nothing breaks, and the steps and the cause \
of the shortest break of a stronger one. With --cluster docker or native each cell is a storm on \
real servers, for --time.\n\n\
Guarantees: linearizable, sequential, read-your-writes, monotonic-reads, bounded (fresh once the \
replica has caught up), eventual (fresh once every entry has expired), none.\n\n\
Each cell's witness is a .race file in the results folder: quarrel replay runs it.",
        examples: &[
            ("matrix", "all strategies under the usual faults"),
            ("matrix --strategy cache-aside --fault replica-lag --fault redis-cut", "two cells"),
            ("matrix --format markdown", "as a table for a document"),
        ],
        codes: &[
            (0, "every cell is decided, and none is weaker than --expect"),
            (1, "one is weaker"),
            (2, "one is undecided, or --expect rests on a sample"),
            (3, "one is vacuous"),
            (4, "environment"),
        ],
    },
    Page {
        command: "merge",
        about: "Joins what shares of one command found, as if one machine had done all of it",
        more: "matrix, explore, bench detection, run --profile and check RUN take --partition I/N: the I-th of N \
shares of like cost. Every machine splits alike, so none needs to know of another. Each leaves a \
file part-I-of-N-….json in its results folder, by which merge knows what belongs together: shares \
of one command line (but for --partition and --results).\n\n\
The worst counts: a violation stands whatever is open elsewhere, and a share that is not there \
leaves its command undecided at best. Whether enough reads were at risk is asked of all keys together.",
        examples: &[
            (
                "merge shares/1 shares/2 shares/3 --results results",
                "the results folders of three machines",
            ),
            ("merge shares/1 shares/2 --format json", "for a program"),
        ],
        codes: &[
            (0, "all of it is there, and what the command asks for holds"),
            (1, "violated, by any share"),
            (2, "undecided, or a share is not there"),
            (3, "vacuous: all shares together show nothing"),
            (4, "environment: a share's servers failed"),
        ],
    },
    Page {
        command: "bench",
        about: "Measures quarrel: how soon storms convict, and what long runs cost",
        more: "",
        examples: &[],
        codes: &[],
    },
    Page {
        command: "bench detection",
        about: "How long storms take to convict, by strategy and fault",
        more: "The time is that of the operation by whose completion the history first proves what is wrong, \
counted from the beginning of the storm. A known run counts as convicted only by an anomaly of \
its own divergence, one of yours and a cell of the matrix by any. Whatever is broken is stopped \
as soon as it is convicted; controls last for the whole of --time.",
        examples: &[
            ("bench detection", "the usual pairs"),
            ("bench detection --matrix --cluster sim", "every cell that the explorer breaks"),
            ("bench detection --list", "the pairs, without running them"),
        ],
        codes: &[
            (
                0,
                "everything broken was convicted by nine storms of ten or more, every control acquitted by all",
            ),
            (1, "it was not"),
            (2, "a control was not convicted, but nothing was at stake in it"),
            (4, "environment"),
        ],
    },
    Page {
        command: "bench long",
        about: "What a long storm, its judging and its report cost in memory and time",
        more: "",
        examples: &[("bench long --ops 100000", "a tenth of the usual size")],
        codes: &[(0, "measured"), (4, "environment")],
    },
    Page {
        command: "replay",
        about: "Performs a .race file, or an anomaly of a run, line by line",
        more: "",
        examples: &[
            ("replay found.race", "on real servers"),
            ("replay found.race --cluster sim -n 20", "simulated, twenty times"),
            ("replay latest:1 --step", "the first anomaly of the last run, a key a step"),
        ],
        codes: &[
            (0, "it went as written, and what it claims was seen"),
            (1, "it did not go as written, or a claim was not seen"),
            (2, "undecided: the anomaly could not be cut out of its run"),
            (3, "vacuous: it claims nothing"),
            (4, "environment"),
        ],
    },
    Page {
        command: "shrink",
        about: "Finds the smallest race that shows what a race, or an anomaly of a run, shows",
        more: "",
        examples: &[
            ("shrink latest", "the first anomaly of the last run"),
            ("shrink found.race --out min.race", "keep it"),
            ("shrink latest:2 --cluster native -n 3", "tried on real servers, three times each"),
        ],
        codes: &[
            (0, "found"),
            (1, "it does not show what it claims, or real servers say otherwise"),
            (2, "undecided: it could not be cut out, or shows another anomaly"),
            (4, "environment"),
        ],
    },
    Page {
        command: "check",
        about: "Judges a run again, or the history of any other tool",
        more: "",
        examples: &[
            ("check latest", "the last run"),
            ("check history.edn --model register", "a history of Jepsen's"),
            ("check - --from csv --model register", "from standard input"),
        ],
        codes: VERDICT,
    },
    Page {
        command: "export",
        about: "Writes the history of a run, or of any file, in another format",
        more: "",
        examples: &[
            ("export latest --format edn --out history.edn", "for Jepsen's tools"),
            ("export history.edn --format jsonl", "one JSON object a line"),
            ("export latest --format csv > history.csv", "for a spreadsheet"),
        ],
        codes: &[(0, "done"), (4, "environment: a file cannot be written")],
    },
    Page {
        command: "report",
        about: "Makes the report of a run and says where it is",
        more: "",
        examples: &[
            ("report", "of the last run"),
            ("report 2d1f", "of the run whose id begins so"),
            ("report latest --format json", "where its files are, for a program"),
        ],
        codes: &[
            (0, "done"),
            (2, "undecided: without its texts (--redact) the run would be judged otherwise"),
            (4, "environment: a file cannot be read or written"),
        ],
    },
    Page {
        command: "review",
        about: "Holds runs against policy.toml, and asks whether to accept what is beyond it",
        more: "Asks for each thing by itself, the worst first, and shows how the file changes before it writes it. \
What is worse than a stale read (lost writes, stores that never agree again, phantoms, lost updates, \
fractured reads) is denied unless its name is allowed.",
        examples: &[
            ("review", "the newest run of each case, asking"),
            ("review --check", "for a build server: ask nothing, change nothing"),
            (
                "review --accept --allow lost-write --reason \"cart only\"",
                "accept a grave anomaly by its name",
            ),
        ],
        codes: &[
            (0, "everything is accepted"),
            (1, "something is not"),
            (2, "a run is undecided"),
            (3, "a run is vacuous"),
            (4, "the environment of a run failed"),
        ],
    },
    Page {
        command: "serve",
        about: "Shows the results in a browser, on this machine only",
        more: "",
        examples: &[
            ("serve", "at http://127.0.0.1:7480"),
            ("serve --port 0", "at a free port"),
            ("serve --results /srv/nightly", "of another folder"),
        ],
        codes: DONE,
    },
    Page {
        command: "list",
        about: "Lists runs",
        more: "",
        examples: &[("list", "the runs so far"), ("list --format json", "for a program")],
        codes: DONE,
    },
    Page {
        command: "explain",
        about: "Says what a name in a verdict means, and what helps",
        more: "",
        examples: &[
            ("explain", "all names"),
            ("explain replica-lag-refill", "a cause, and its cures"),
            ("explain history", "how to write a history of your own"),
        ],
        codes: DONE,
    },
    Page {
        command: "schema",
        about: "Prints the JSON Schema of what quarrel writes for programs",
        more: "Draft 2020-12. The schema's $id ends in its version: another version is another form. What a \
schema does not name is not written. Of files of JSON lines it is that of a line.",
        examples: &[
            ("schema", "what there are schemas of"),
            ("schema verdict > verdict.schema.json", "of verdict.json"),
        ],
        codes: DONE,
    },
    Page {
        command: "new",
        about: "Makes a crate with a strategy of your own, or the app.toml of an application",
        more: "",
        examples: &[
            ("new shop-cache", "in the folder shop-cache"),
            ("new shop-cache --git ssh://example.org/quarrel", "on a repository of quarrel"),
            ("new --app", "the file of an application: asks what it needs to know"),
        ],
        codes: DONE,
    },
    Page {
        command: "app",
        about: "An application as it is: what it says to its stores",
        more: "",
        examples: &[],
        codes: &[],
    },
    Page {
        command: "app doctor",
        about: "Starts it, reads and writes one row, and shows what each request said to the stores",
        more: "",
        examples: &[("app doctor app.toml", "on the first cluster that works")],
        codes: &[
            (0, "it can be judged"),
            (2, "undecided: not all that it said could be read"),
            (4, "environment: it does not start, or talks to other stores"),
        ],
    },
    Page {
        command: "app learn",
        about: "Makes each request alone, cold and warm, and shows what of its messages is taken for of no matter",
        more: "",
        examples: &[
            ("app learn app.toml", "what a search would not hold"),
            ("app learn app.toml --write", "keep it in the file, to be corrected by hand"),
        ],
        codes: &[
            (0, "all that it said could be read"),
            (2, "undecided: not all of it could"),
            (4, "environment: it does not start, or talks to other stores"),
        ],
    },
    Page {
        command: "app faults",
        about: "Breaks the connection before and after every message of a write and of a read, and shows which leave the cache wrong and which answers lie",
        more: "",
        examples: &[("app faults app.toml", "every message, one connection broken at a time")],
        codes: &[
            (0, "nothing was left wrong, and no answer lied"),
            (1, "something was"),
            (2, "undecided: not every message could be tried"),
            (4, "environment: it does not start, or talks to other stores"),
        ],
    },
    Page {
        command: "strategies",
        about: "Lists the strategies",
        more: "",
        examples: &[("strategies", "with their options")],
        codes: DONE,
    },
    Page {
        command: "workloads",
        about: "Lists what clients can do",
        more: "",
        examples: &[("workloads", "with what is judged besides")],
        codes: DONE,
    },
    Page {
        command: "faults",
        about: "Lists the faults, each with its usual amount",
        more: "",
        examples: &[("faults", "as they are written after --fault")],
        codes: DONE,
    },
    Page {
        command: "doctor",
        about: "Says what this machine can run, and how to mend the rest",
        more: "",
        examples: &[("doctor", "everything"), ("doctor --format json", "for a program")],
        codes: &[(0, "some cluster with servers can be run"), (4, "none can")],
    },
    Page {
        command: "cluster",
        about: "A cluster to poke at by hand",
        more: "",
        examples: &[
            ("cluster up --cluster native", "start one, and leave it up"),
            ("cluster status", "what is up, and how to reach it"),
            ("cluster down", "take it down"),
        ],
        codes: &[(0, "done"), (4, "environment")],
    },
    Page {
        command: "cluster up",
        about: "Starts a cluster and leaves it up",
        more: "",
        examples: &[("cluster up --cluster native", "as processes of this machine")],
        codes: &[(0, "done"), (4, "environment")],
    },
    Page {
        command: "cluster status",
        about: "Says which clusters are up, and how to reach them",
        more: "",
        examples: &[("cluster status --format json", "for a program")],
        codes: &[(0, "done"), (4, "environment")],
    },
    Page {
        command: "cluster down",
        about: "Takes a cluster down",
        more: "",
        examples: &[("cluster down", "the one without a name")],
        codes: &[(0, "done"), (4, "environment")],
    },
    Page {
        command: "cluster sweep",
        about: "Removes what killed runs left on somebody's servers: only what bears quarrel's mark, and only of runs whose hearts have stopped",
        more: "",
        examples: &[(
            "cluster sweep --primary postgres://me@db/shop",
            "with the password in PGPASSFILE",
        )],
        codes: &[(0, "done"), (4, "environment")],
    },
    Page {
        command: "proxy",
        about: "Serves the fault proxy alone, with Toxiproxy's API",
        more: "",
        examples: &[
            ("proxy", "at Toxiproxy's own port"),
            ("proxy --config proxies.json", "with proxies to begin with"),
        ],
        codes: &[(0, "ended by a signal"), (4, "environment: its port is taken")],
    },
    Page {
        command: "completions",
        about: "Prints completions for a shell",
        more: "",
        examples: &[
            ("completions bash > /etc/bash_completion.d/quarrel", "for everybody"),
            ("completions zsh > ~/.zfunc/_quarrel", "for yourself"),
        ],
        codes: DONE,
    },
    Page {
        command: "man",
        about: "Writes manual pages, one a command",
        more: "",
        examples: &[("man /usr/local/share/man/man1", "where man finds them")],
        codes: DONE,
    },
];
