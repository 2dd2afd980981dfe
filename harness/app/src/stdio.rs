//! An application that is spoken to over its standard input and output: one
//! JSON object a line.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use quarrel_checkers::{Site, Value};
use quarrel_strategy::stores::StoreError;
use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    process::{ChildStdin, ChildStdout},
    sync::{Mutex as AsyncMutex, oneshot},
};

use super::{answer::Answer, process::Process, token::token};

#[derive(Serialize)]
struct Asked<'a> {
    id: u64,
    op: &'a str,
    key: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Answered {
    id: u64,
    #[serde(default)]
    ok: bool,
    value: Option<String>,
    error: Option<String>,
    /// Whether an error proves that nothing happened.
    #[serde(default)]
    definite: bool,
}

type Waiting = Arc<Mutex<HashMap<u64, oneshot::Sender<Answered>>>>;

/// One instance's wires.
pub(super) struct Stdio {
    input: AsyncMutex<ChildStdin>,
    waiting: Waiting,
    next: AtomicU64,
}

impl Stdio {
    /// Takes the pipes of a process.
    pub(super) fn of(process: &Process) -> std::io::Result<Self> {
        let (input, output) =
            process.pipes().ok_or_else(|| std::io::Error::other("its pipes are taken"))?;
        let waiting = Waiting::default();
        let output = ChildStdout::from_std(output)?;
        tokio::spawn(listen(output, Arc::clone(&waiting)));
        let input = AsyncMutex::new(ChildStdin::from_std(input)?);
        Ok(Self { input, waiting, next: AtomicU64::new(1) })
    }

    pub(super) async fn read(&self, key: u64) -> Result<Answer, StoreError> {
        let answered = self.ask("read", key, None).await?;
        match (answered.ok, answered.value) {
            (true, None) => Ok(Answer::Absent),
            (true, Some(text)) => Ok(Answer::of(&text)),
            (false, _) => Err(StoreError::unknown(
                Site::Client,
                answered.error.unwrap_or_else(|| "an answer without ok and error".to_owned()),
            )),
        }
    }

    pub(super) async fn write(&self, key: u64, value: &Value) -> Result<(), StoreError> {
        let answered = self.ask("write", key, Some(token(value))).await?;
        if answered.ok {
            return Ok(());
        }
        let why = answered.error.unwrap_or_else(|| "an answer without ok and error".to_owned());
        let failed = if answered.definite { StoreError::refused } else { StoreError::unknown };
        Err(failed(Site::Client, why))
    }

    async fn ask(&self, op: &str, key: u64, value: Option<String>) -> Result<Answered, StoreError> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let (sender, answer) = oneshot::channel();
        lock(&self.waiting).insert(id, sender);
        let mut line = serde_json::to_vec(&Asked { id, op, key, value }).expect("it is plain data");
        line.push(b'\n');
        let sent = {
            let mut input = self.input.lock().await;
            match input.write_all(&line).await {
                Ok(()) => input.flush().await,
                Err(error) => Err(error),
            }
        };
        if let Err(error) = sent {
            lock(&self.waiting).remove(&id);
            return Err(StoreError::unknown(Site::Client, error.to_string()));
        }
        let gone = |_| StoreError::unknown(Site::Client, "the application ended its output");
        answer.await.map_err(gone)
    }
}

/// Hands every line to who waits for it. At the end nobody is left waiting.
async fn listen(output: ChildStdout, waiting: Waiting) {
    let mut lines = BufReader::new(output).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        // Anything else on standard output is a person's print statement.
        let Ok(answered) = serde_json::from_str::<Answered>(&line) else { continue };
        if let Some(sender) = lock(&waiting).remove(&answered.id) {
            drop(sender.send(answered));
        }
    }
    lock(&waiting).clear();
}

fn lock(waiting: &Waiting) -> std::sync::MutexGuard<'_, HashMap<u64, oneshot::Sender<Answered>>> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}
