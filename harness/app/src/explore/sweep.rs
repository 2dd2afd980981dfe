//! Every message of one request with every fault of its connection: what the
//! request answers then, and what is left in the cache.

use std::{fmt, sync::Arc, time::Duration};

use quarrel_checkers::{F, Kind, Process, Site, Value};
use tokio::time::Instant;

use super::{
    executor::{Choices, Ended, Execution, Executor, Lost, Role, Warmth},
    mishap::{AppFault, Deed},
    race::short,
    search::{executor, subject},
    tree::{Choice, Next},
};
use crate::{App, file::Replies};
use quarrel_strategy::{cluster::Boxed, record::Stop};

/// What came of breaking each message of a write and of a read.
#[derive(Clone, Debug)]
pub struct Sweep {
    subject: String,
    swept: Vec<Swept>,
    took: Duration,
}

/// What came of breaking each message of one request.
#[derive(Clone, Debug)]
struct Swept {
    role: Role,
    tried: Vec<Struck>,
    /// Messages of it that were let go on unbroken: nobody's, and those that
    /// stores pushed.
    unbroken: usize,
    /// Whether somebody stopped it.
    cut: bool,
}

/// One message, and one thing that went wrong with it.
#[derive(Clone, Debug)]
struct Struck {
    site: Site,
    shape: Arc<str>,
    deed: Deed,
    came_to: Result<CameTo, String>,
}

/// What a request came to.
#[derive(Clone, Debug)]
struct CameTo {
    ended: Option<Ended>,
    /// What it was to write.
    written: Option<Value>,
    /// What another instance read afterwards, and what the primary held.
    audited: Option<Value>,
    held: Option<Value>,
}

/// What can be wrong about that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wrong {
    /// The next reader gets something else than the primary has.
    Cache,
    /// It said that it was done, and it was not, or said what is not so.
    Lie,
}

/// Breaks each message of a write, of a row that is cached, and of a read, of
/// one that is not, before the store has it and after.
///
/// # Errors
///
/// When the application cannot be followed, or a request fails by itself.
pub fn sweep_app<'a>(app: &'a Arc<App>, stop: &'a Stop) -> Boxed<'a, Result<Sweep, String>> {
    Box::pin(async move {
        let start = Instant::now();
        let mut swept = Vec::new();
        for (role, warmth) in ROLES {
            let one = sweep_role(app, role, warmth, stop).await;
            swept.push(one.map_err(|lost| lost.to_string())?);
        }
        Ok(Sweep { subject: subject(&app.file), swept, took: start.elapsed() })
    })
}

/// The requests whose messages are broken, and what is cached when they begin.
const ROLES: [(Role, Warmth); 2] = [(Role::Writer, Warmth::Warm), (Role::Reader, Warmth::Cold)];

async fn sweep_role(
    app: &Arc<App>,
    role: Role,
    warmth: Warmth,
    stop: &Stop,
) -> Result<Swept, Lost> {
    let sites = [Site::Primary, Site::Replica, Site::Cache];
    let faults =
        sites.into_iter().flat_map(|site| [AppFault::Cut(site), AppFault::ReplyLost(site)]);
    let choices = Choices { faults: faults.collect(), strikes: 1, replies: Replies::GoOn };
    let mut executor = executor(app, &[role], &choices).await?;
    let plain = executor.perform_by(warmth, |_, enabled| go(enabled, &Deed::GoesOn)).await?;
    let is_done = plain
        .history
        .events
        .iter()
        .any(|event| event.process == Process::Client(0) && event.kind == Kind::Ok);
    if !is_done {
        let what = match role {
            Role::Writer => "write",
            Role::Reader => "read",
        };
        return Err(Lost::Broken(format!("a {what} fails without any fault")));
    }
    let mut swept = Swept {
        role,
        tried: Vec::new(),
        unbroken: plain.of_nobody + executor.pushes(),
        cut: false,
    };
    for (depth, taken) in plain.taken.iter().enumerate() {
        for deed in [Deed::Breaks, Deed::LosesReply] {
            if stop.asked() {
                swept.cut = true;
                return Ok(swept);
            }
            let came_to = match strike(&mut executor, warmth, depth, &taken.choice, &deed).await {
                Ok(execution) => Ok(CameTo::of(&execution)),
                Err(Lost::Broken(why)) => return Err(Lost::Broken(why)),
                Err(lost) => Err(lost.to_string()),
            };
            let (site, shape) = (taken.choice.site, Arc::clone(&taken.choice.shape));
            swept.tried.push(Struck { site, shape, deed, came_to });
        }
    }
    Ok(swept)
}

/// Performs the request with one thing that goes wrong at one message.
async fn strike(
    executor: &mut Executor,
    warmth: Warmth,
    depth: usize,
    message: &Choice,
    deed: &Deed,
) -> Result<Execution, Lost> {
    let order = |at: usize, enabled: &[Choice]| match at == depth {
        true if enabled.iter().any(|choice| choice.shape == message.shape) => go(enabled, deed),
        true => Next::Diverged,
        false => go(enabled, &Deed::GoesOn),
    };
    executor.perform_by(warmth, order).await
}

fn go(enabled: &[Choice], deed: &Deed) -> Next {
    let at = enabled.iter().position(|choice| choice.deed == *deed);
    at.map_or(Next::Diverged, Next::Go)
}

impl CameTo {
    fn of(execution: &Execution) -> Self {
        let ended = execution.taken.iter().rev().find_map(|taken| taken.ended.clone());
        let invoked = execution.history.events.iter().find(|event| {
            event.process == Process::Client(0)
                && event.kind == Kind::Invoke
                && event.op.f == F::Write
        });
        let written = invoked.map(|event| event.op.value.clone());
        let (audited, held) = (execution.audited.clone(), execution.held.clone());
        Self { ended, written, audited, held }
    }

    fn wrong(&self) -> Vec<Wrong> {
        let mut wrong = Vec::new();
        if self.audited != self.held {
            wrong.push(Wrong::Cache);
        }
        let is_lie = match &self.ended {
            Some(Ended::Written) => self.audited != self.held || self.held != self.written,
            Some(Ended::Read(value)) => *value != self.held,
            Some(Ended::Refused(_)) => self.written.is_some() && self.held == self.written,
            Some(Ended::Unknown(_)) | None => false,
        };
        if is_lie {
            wrong.push(Wrong::Lie);
        }
        wrong
    }
}

impl Swept {
    /// Whether it had messages, and each was broken.
    fn is_complete(&self) -> bool {
        !self.cut
            && self.unbroken == 0
            && !self.tried.is_empty()
            && self.tried.iter().all(|one| one.came_to.is_ok())
    }
}

impl Sweep {
    /// Whether every message was tried, of each request.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        let is_complete = |role| self.swept.iter().any(|one| one.role == role && one.is_complete());
        ROLES.iter().all(|(role, _)| is_complete(*role))
    }

    fn tried(&self) -> impl Iterator<Item = &Struck> {
        self.swept.iter().flat_map(|one| &one.tried)
    }

    /// How many of them left something wrong.
    #[must_use]
    pub fn wrong(&self) -> usize {
        let came_to = self.tried().filter_map(|one| one.came_to.as_ref().ok());
        came_to.filter(|came_to| !came_to.wrong().is_empty()).count()
    }
}

/// The beginning of what drivers say in several lines.
fn in_a_line(why: &str) -> String {
    let first = why.lines().next().unwrap_or_default();
    first.chars().take(100).collect()
}

impl fmt::Display for CameTo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = |value: &Option<Value>| value.as_ref().map_or("nothing".to_owned(), short);
        match &self.ended {
            None => write!(f, "never answered")?,
            Some(Ended::Written) => write!(f, "acknowledged")?,
            Some(Ended::Read(read)) => write!(f, "answers {}", value(read))?,
            Some(Ended::Refused(why)) => write!(f, "fails ({})", in_a_line(why))?,
            Some(Ended::Unknown(why)) => write!(f, "unknown outcome ({})", in_a_line(why))?,
        }
        if self.held != self.audited {
            let (audited, held) = (value(&self.audited), value(&self.held));
            write!(f, "; CACHE WRONG: the next reader gets {audited}, the primary has {held}")?;
        }
        if self.wrong().contains(&Wrong::Lie) {
            write!(f, "; the answer is not true")?;
        }
        Ok(())
    }
}

impl fmt::Display for Sweep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "application {}", self.subject)?;
        for swept in &self.swept {
            let what = match swept.role {
                Role::Writer => "a write of a row that is cached",
                Role::Reader => "a read of a row that is not",
            };
            writeln!(f, "{what}")?;
            for Struck { site, shape, deed, came_to } in &swept.tried {
                writeln!(f, "  {site}: {shape} {}", deed.words())?;
                match came_to {
                    Ok(came_to) => writeln!(f, "    -> {came_to}")?,
                    Err(why) => writeln!(f, "    -> could not be tried: {why}")?,
                }
            }
            if swept.tried.is_empty() && !swept.cut {
                writeln!(f, "  no message: nothing of it was tried")?;
            }
            if swept.unbroken > 0 {
                let many = swept.unbroken;
                writeln!(f, "  and {many} messages that no request caused: they were let go on")?;
            }
            if swept.cut {
                writeln!(f, "  stopped before every message was tried")?;
            }
        }
        let (tried, wrong) = (self.tried().count(), self.wrong());
        writeln!(
            f,
            "{wrong} of {tried} leave something wrong, in {:.1} s",
            self.took.as_secs_f64()
        )?;
        writeln!(
            f,
            "  = within: one request at a time; connections break before or after a message; \
             no order of several requests: quarrel explore --app tries those"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn swept(role: Role, tried: usize) -> Swept {
        let ended = Some(Ended::Read(None));
        let came_to = CameTo { ended, written: None, audited: None, held: None };
        let struck = Struck {
            site: Site::Cache,
            shape: "GET a".into(),
            deed: Deed::Breaks,
            came_to: Ok(came_to),
        };
        Swept { role, tried: vec![struck; tried], unbroken: 0, cut: false }
    }

    fn is_complete(swept: Vec<Swept>) -> bool {
        Sweep { subject: String::new(), swept, took: Duration::ZERO }.is_complete()
    }

    #[test]
    fn what_was_not_tried_of_one_request_is_not_covered_by_another() {
        let writer = || swept(Role::Writer, 3);
        assert!(is_complete(vec![writer(), swept(Role::Reader, 1)]));
        assert!(!is_complete(vec![writer(), swept(Role::Reader, 0)]));
        assert!(!is_complete(vec![writer(), writer()]));
        assert!(!is_complete(vec![writer()]));
        let heard = Swept { unbroken: 1, ..swept(Role::Reader, 1) };
        assert!(!is_complete(vec![writer(), heard]));
        let cut = Swept { cut: true, ..swept(Role::Reader, 1) };
        assert!(!is_complete(vec![writer(), cut]));
    }
}
