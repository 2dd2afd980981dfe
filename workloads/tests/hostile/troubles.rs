use rustix::process::Signal;

use super::{
    Moment::{self, Loading, SetUp, Settling, Storm},
    Place::{self, Docker, External, Native, Sessions, Transactions},
    deployment::{Deployment, wait_for},
    own::{alone, container, data_vanish, interrupt, run_under, signal},
    table::Cell,
};
use crate::servers::{Redis, starve};

/// What can go wrong, and what that does at a place and a moment.
pub(super) struct Trouble {
    pub(super) what: String,
    pub(super) cell: Box<dyn Fn(Place, Moment) -> Cell>,
}

const NOT_BETWEEN: &str = "a pooler stands before Postgres alone: as on external";
const ONLY_OURS: &str = "nobody but quarrel has a hand in these servers";
const OF_THE_START: &str = "it is so, or is found out, before a run begins";

pub(super) fn troubles() -> Vec<Trouble> {
    let servers = ["primary", "replica", "cache"];
    let mut all = vec![trouble("nothing", nothing)];
    all.extend(servers.map(|name| {
        trouble(&format!("the {name} dies"), move |place, moment| dies(name, place, moment))
    }));
    all.extend(servers.map(|name| {
        let what = format!("the {name} stands still");
        trouble(&what, move |place, moment| stands_still(name, place, moment))
    }));
    all.extend(servers.map(|name| {
        let what = format!("the {name} starts anew");
        trouble(&what, move |place, moment| starts_anew(name, place, moment))
    }));
    all.extend([
        trouble("the proxy dies", proxy_dies),
        trouble("the pooler dies", pooler_dies),
        trouble("files run out", files),
        trouble("rights are taken away", rights),
        trouble("the cache is, or becomes, a replica", becomes_a_replica),
        trouble("the cache is a Sentinel", sentinel),
        trouble("the primary is a replica", primary_is_a_replica),
        trouble("there is no room for clients", no_room),
        trouble("somebody else's queries fail", queries_fail),
        trouble("an application is to run there", application),
        trouble("results have no room", no_results),
        trouble("TMPDIR is nowhere", no_temporary_folder),
        trouble("all data vanish", vanish),
        trouble("no engine answers", no_engine),
        trouble("an image is nowhere", no_image),
        trouble("it is interrupted", interrupted),
    ]);
    all
}

fn trouble(what: &str, cell: impl Fn(Place, Moment) -> Cell + 'static) -> Trouble {
    Trouble { what: what.to_owned(), cell: Box::new(cell) }
}

fn ends(right: &'static [i32], happens: impl Fn() -> Option<i32> + Send + Sync + 'static) -> Cell {
    Cell::Ends { right, happens: Box::new(happens) }
}

/// On somebody's servers.
fn guest(
    place: Place,
    moment: Moment,
    right: &'static [i32],
    breaks: impl Fn(&mut Deployment, u32) + Send + Sync + 'static,
) -> Cell {
    ends(right, move || Deployment::at(place).run(moment, &breaks))
}

fn nothing(place: Place, moment: Moment) -> Cell {
    match (place, moment) {
        (_, Loading | Storm | Settling) => Cell::Never("one run has all moments"),
        // A busy machine may do too little to say much.
        (Native | Docker, SetUp) => ends(&[0, 3], move || alone(place, SetUp, "primary", |_| {})),
        _ => ends(&[0, 3], move || Deployment::at(place).spared_by(None)),
    }
}

fn dies(name: &'static str, place: Place, moment: Moment) -> Cell {
    match place {
        Native => ends(&[4], move || {
            alone(place, moment, name, |quarrel| signal(quarrel, name, Signal::KILL))
        }),
        Docker => ends(&[4], move || {
            alone(place, moment, name, |quarrel| container(quarrel, name, "kill"))
        }),
        Sessions | Transactions if name == "cache" => Cell::Never(NOT_BETWEEN),
        _ => guest(place, moment, &[4], move |there, _| there.dies(name)),
    }
}

fn stands_still(name: &'static str, place: Place, moment: Moment) -> Cell {
    match place {
        Native => ends(&[4], move || {
            alone(place, moment, name, |quarrel| signal(quarrel, name, Signal::STOP))
        }),
        Docker => ends(&[4], move || {
            alone(place, moment, name, |quarrel| container(quarrel, name, "pause"))
        }),
        Sessions | Transactions if name == "cache" => Cell::Never(NOT_BETWEEN),
        _ => guest(place, moment, &[4], move |there, _| there.stands_still(name)),
    }
}

fn starts_anew(name: &'static str, place: Place, moment: Moment) -> Cell {
    match (place, moment) {
        (Native | Docker, _) => Cell::Never(ONLY_OURS),
        (Sessions | Transactions, _) if name == "cache" => Cell::Never(NOT_BETWEEN),
        (_, SetUp) => Cell::Never("what was before a run, a run does not see"),
        _ => guest(place, moment, &[4], move |there, _| there.starts_anew(name)),
    }
}

fn proxy_dies(place: Place, moment: Moment) -> Cell {
    match place {
        Native => Cell::Never("it is a part of quarrel's own process"),
        Docker => ends(&[4], move || {
            alone(place, moment, "proxy", |quarrel| container(quarrel, "proxy", "kill"))
        }),
        External => {
            ends(&[4], move || Deployment::proxied(place).run(moment, Deployment::toxiproxy_dies))
        }
        Sessions | Transactions => Cell::Never("a Toxiproxy before a pooler: as on external"),
    }
}

fn pooler_dies(place: Place, moment: Moment) -> Cell {
    match place {
        Sessions | Transactions => guest(place, moment, &[4], Deployment::pooler_dies),
        _ => Cell::Never("there is no pooler"),
    }
}

fn files(place: Place, moment: Moment) -> Cell {
    const FEW: &str = "ulimit -n 200";
    match (place, moment) {
        (Native | Docker, SetUp) => ends(&[4], move || run_under(place, FEW, moment)),
        (_, SetUp) => ends(&[4], move || Deployment::at(place).run_under(FEW, moment)),
        // Nothing is lost if all that is still needed is open.
        (Native | Docker, Settling) => ends(&[0, 4], move || alone(place, moment, "", starve)),
        (Native | Docker, _) => ends(&[4], move || alone(place, moment, "", starve)),
        (_, Settling) => guest(place, moment, &[0, 4], Deployment::files_run_out),
        _ => guest(place, moment, &[4], Deployment::files_run_out),
    }
}

fn rights(place: Place, moment: Moment) -> Cell {
    match place {
        Native | Docker => Cell::Never(ONLY_OURS),
        External => guest(place, moment, &[4], Deployment::rights_go),
        Sessions | Transactions => Cell::Never(NOT_BETWEEN),
    }
}

fn becomes_a_replica(place: Place, moment: Moment) -> Cell {
    match place {
        Native | Docker => Cell::Never(ONLY_OURS),
        External => guest(place, moment, &[4], Deployment::cache_becomes_a_replica),
        Sessions | Transactions => Cell::Never(NOT_BETWEEN),
    }
}

fn sentinel(place: Place, moment: Moment) -> Cell {
    match (place, moment) {
        (Native | Docker, _) => Cell::Never(ONLY_OURS),
        (Sessions | Transactions, _) => Cell::Never(NOT_BETWEEN),
        (External, SetUp) => guest(place, moment, &[4], |there, _| {
            let sentinel = Redis::sentinel();
            there.cache = sentinel.url();
            there.redis = Some(sentinel);
        }),
        _ => Cell::Never(OF_THE_START),
    }
}

fn primary_is_a_replica(place: Place, moment: Moment) -> Cell {
    match (place, moment) {
        (Native | Docker, _) => Cell::Never(ONLY_OURS),
        (_, SetUp) => guest(place, moment, &[4], |there, _| {
            there.primary = there.replica.clone();
        }),
        _ => Cell::Never(OF_THE_START),
    }
}

fn no_room(place: Place, moment: Moment) -> Cell {
    match (place, moment) {
        (Native | Docker, _) => Cell::Never(ONLY_OURS),
        (Sessions | Transactions, _) => Cell::Never("a pooler makes room by itself"),
        (External, SetUp) => guest(place, moment, &[4], |there, _| {
            let sql = "CREATE ROLE small LOGIN CONNECTION LIMIT 9; \
                       GRANT CREATE ON DATABASE postgres TO small";
            wait_for(there.owner("primary").execute(sql));
            there.primary = there.primary.replace("postgres@", "small@");
        }),
        _ => Cell::Never(OF_THE_START),
    }
}

fn queries_fail(place: Place, moment: Moment) -> Cell {
    let fail = Deployment::somebodys_queries_fail;
    match (place, moment) {
        (Native | Docker, _) => Cell::Never(ONLY_OURS),
        (_, SetUp) => Cell::Never("that was usual there before the run came"),
        // It takes seconds to tell; the stores answer all the while.
        (_, Settling) => guest(place, moment, &[0, 4], fail),
        _ => guest(place, moment, &[4], fail),
    }
}

fn application(place: Place, moment: Moment) -> Cell {
    match (place, moment) {
        (Native | Docker, _) => Cell::Never("that is where applications run"),
        (_, SetUp) => ends(&[4], move || Deployment::at(place).run_an_application()),
        _ => Cell::Never(OF_THE_START),
    }
}

fn no_results(place: Place, moment: Moment) -> Cell {
    const NOWHERE: &str = "export QUARREL_RESULTS=/dev/null/results";
    // So many bytes that the first seconds fill them.
    const SMALL: &str = "trap '' XFSZ; ulimit -f 64";
    match (place, moment) {
        (Native | Docker, SetUp) => ends(&[4], move || run_under(place, NOWHERE, moment)),
        (_, SetUp) => ends(&[4], move || Deployment::at(place).run_under(NOWHERE, moment)),
        (Native, Storm) => Cell::Never("the limit would be one of its servers, too"),
        (Docker, Storm) => ends(&[4], move || run_under(place, SMALL, moment)),
        (_, Storm) => ends(&[4], move || Deployment::at(place).run_under(SMALL, moment)),
        _ => Cell::Never("the history is written from the first value to the last in one way"),
    }
}

fn no_temporary_folder(place: Place, moment: Moment) -> Cell {
    match (place, moment) {
        (Native | Docker, SetUp) => {
            ends(&[4], move || run_under(place, "export TMPDIR=/nowhere", moment))
        }
        (Native | Docker, _) => Cell::Never(OF_THE_START),
        _ => Cell::Never("a guest has no files but its results"),
    }
}

fn vanish(place: Place, moment: Moment) -> Cell {
    match place {
        Native => ends(&[4], move || alone(place, moment, "cache", data_vanish)),
        Docker => Cell::Never("data are in the memory of containers"),
        _ => Cell::Never("a guest has no data"),
    }
}

fn no_engine(place: Place, moment: Moment) -> Cell {
    const NOWHERE: &str = "export DOCKER_HOST=unix:///nowhere/docker.sock";
    match (place, moment) {
        (Docker, SetUp) => ends(&[4], move || run_under(place, NOWHERE, moment)),
        (Docker, _) => Cell::Never("containers run without their engine until the end"),
        _ => Cell::Never("there are no containers"),
    }
}

fn no_image(place: Place, moment: Moment) -> Cell {
    const NOWHERE: &str = "export QUARREL_CACHE_IMAGE=quarrel/nowhere:none";
    match (place, moment) {
        (Docker, SetUp) => ends(&[4], move || run_under(place, NOWHERE, moment)),
        (Docker, _) => Cell::Never(OF_THE_START),
        _ => Cell::Never("there are no containers"),
    }
}

/// What there is, is judged; it may say nothing yet.
fn interrupted(place: Place, moment: Moment) -> Cell {
    let right: &[i32] = match moment {
        // Where all is there in a moment it comes to a storm.
        SetUp => &[3, 130],
        _ => &[0, 3],
    };
    match place {
        Native | Docker => ends(right, move || alone(place, moment, "primary", interrupt)),
        _ => ends(right, move || Deployment::at(place).spared_by(Some(moment))),
    }
}
