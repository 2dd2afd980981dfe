//! What an application says to its stores when it is left alone, and what is
//! taken for of no matter in it.

use std::{collections::BTreeSet, fmt, sync::Arc, time::Duration};

use quarrel_strategy::cluster::Boxed;

use super::{
    App,
    doctor::{Ear, Examination, try_each},
    wire::Effect,
};

/// What was learnt.
#[derive(Clone, Debug)]
pub struct Learnt {
    found: Examination,
    /// Shapes of messages whose order is of no matter.
    local: BTreeSet<String>,
    /// Shapes of messages that came while nobody asked for anything.
    background: BTreeSet<String>,
}

/// How long is listened while nobody asks for anything.
const IDLE: Duration = Duration::from_secs(2);

/// Makes each request alone, on a row that is cached nowhere, cached, and
/// again, and then listens for a while without any.
///
/// # Errors
///
/// When a request fails, or messages cannot be read.
pub fn learn(app: &Arc<App>) -> Boxed<'_, Result<Learnt, String>> {
    Box::pin(async move {
        let mut ear = Ear::new(app)?;
        let mut requests = Vec::new();
        // The second row finds pools filled and statements prepared.
        for _ in 0..2 {
            requests.extend(try_each(app, &mut ear).await?);
        }
        tokio::time::sleep(IDLE).await;
        let idle = ear.tried("nothing for a while", "nobody asked", super::doctor::NO_ROW).await;
        let shapes = |wanted: bool| {
            let messages = requests.iter().flat_map(|tried| &tried.messages);
            let of_kind = messages.filter(move |one| (one.effect == Effect::Local) == wanted);
            of_kind.map(|one| one.shape.to_string()).collect::<BTreeSet<_>>()
        };
        // What counts once, as a COMMIT behind a write, counts always.
        let counts = shapes(false);
        let local = shapes(true).difference(&counts).cloned().collect::<BTreeSet<_>>();
        let background = idle.messages.iter().map(|one| one.shape.to_string());
        let background =
            background.filter(|shape| !counts.contains(shape) && !local.contains(shape)).collect();
        Ok(Learnt { found: Examination::of(app, requests, ear), local, background })
    })
}

impl Learnt {
    /// Whether everything that its requests said could be read.
    #[must_use]
    pub const fn is_clear(&self) -> bool {
        self.found.is_clear()
    }

    /// The table of an application's file that says the same.
    #[must_use]
    pub fn steps(&self) -> String {
        let list = |shapes: &BTreeSet<String>| {
            let quoted: Vec<_> =
                shapes.iter().map(|shape| toml::Value::from(shape.as_str()).to_string()).collect();
            format!("[{}]", quoted.join(", "))
        };
        format!("[steps]\nlocal = {}\nbackground = {}\n", list(&self.local), list(&self.background))
    }
}

impl fmt::Display for Learnt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.found)?;
        writeln!(f, "taken for of no matter, in whatever order they go on:")?;
        for shape in &self.local {
            writeln!(f, "  {shape}")?;
        }
        if self.local.is_empty() {
            writeln!(f, "  nothing")?;
        }
        for shape in &self.background {
            writeln!(f, "said while nobody asked for anything: {shape}")?;
        }
        Ok(())
    }
}
