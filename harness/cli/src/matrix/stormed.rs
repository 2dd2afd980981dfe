use std::{sync::Arc, time::Duration};

use clap::FromArgMatches as _;
use jiff::Timestamp;
use quarrel_checkers::{Anomaly, Cause, Guarantee, Validity};
use quarrel_explore::explore::shrink_race;
use quarrel_run::{
    faults::{Fault, Nemesis},
    results::{
        CellBreak, CellEvidence, CellOutcome, CellRung, LoadedRun, MatrixCell, MatrixFile,
        RunFolder, RunOutcome, VerdictFile, append_to_index, write_text,
    },
};
use quarrel_strategy::{
    cluster::{Cluster, ClusterKind},
    record::Stop,
    stores::TimeLimits,
    strategy::Catalogue,
};
use tokio::runtime::Runtime;

use super::{
    Column, Failure, MatrixArgs, Row,
    explored::{Watch, write_race},
};
use crate::output::eprintln;
use crate::{
    choose::{Choice, Wanted, start, start_kind, unless_stopped},
    cut::Cutter,
    run::{self, Conducted, RunArgs, conduct, take_down},
    signals::stop_on_signals,
    subject::Subject,
};

/// How long the storm of a cell lasts.
const TIME: Duration = Duration::from_secs(5);

/// Anomalies that are tried as a witness: not each can be cut out.
const TRIED: usize = 5;

/// The storms of a matrix, one after the other: two at once would make each
/// other's servers slow.
struct Storms<'a> {
    args: &'a MatrixArgs,
    catalogue: &'a Catalogue,
    folder: &'a RunFolder,
    stop: Stop,
}

/// Storms every cell; whether somebody stopped it.
pub(super) fn fill(
    args: &MatrixArgs,
    catalogue: &Catalogue,
    plan: &[(&Row<'_>, &Column)],
    folder: &RunFolder,
    runtime: &Runtime,
    matrix: &mut MatrixFile,
) -> Result<bool, Failure> {
    let time = args.time.unwrap_or(TIME);
    matrix.within = format!(
        "A storm of {time:?} for each cell, on a cluster of its own, with the defaults of quarrel \
         run; seed {}.",
        args.seed
    );
    runtime.block_on(async {
        let stop = stop_on_signals().map_err(Failure::environment)?;
        let storms = Storms { args, catalogue, folder, stop };
        let kind = storms.kind().await?;
        matrix.cluster = kind.to_string();
        let watch = Watch::new(plan.len());
        for (row, column) in plan {
            let cell = storms.cell(row, column, kind).await?;
            if storms.stop.asked() {
                watch.end();
                return Ok(true);
            }
            matrix.cells.push(cell);
            watch.done(row, column);
        }
        watch.end();
        Ok(false)
    })
}

impl Storms<'_> {
    /// Which kind of cluster it is to be, which is said once.
    async fn kind(&self) -> Result<ClusterKind, Failure> {
        if let Choice::Kind(kind) = self.args.cluster {
            eprintln!("cluster: {kind}, as asked");
            return Ok(kind);
        }
        let cluster = start(&self.wanted()).await?;
        let kind = cluster.kind();
        take_down(&*cluster).await;
        if kind == ClusterKind::Sim {
            return Err(Failure::environment(
                "there is no cluster to storm; quarrel matrix without --cluster explores",
            ));
        }
        Ok(kind)
    }

    fn wanted(&self) -> Wanted {
        Wanted {
            external: self.args.external.clone(),
            choice: self.args.cluster,
            limits: TimeLimits::default(),
            seed: self.args.seed,
            clients: 16,
        }
    }

    async fn cell(
        &self,
        row: &Row<'_>,
        column: &Column,
        kind: ClusterKind,
    ) -> Result<MatrixCell, Failure> {
        let without =
            |outcome, note| Ok(MatrixCell::without(&row.label, &column.label, outcome, note));
        let run_args = self.run_args(row, column)?;
        let workload = self.catalogue.workload("register").map_err(Failure::bug)?;
        let subject = Subject::Strategy(row.entry, row.options.clone());
        let plan = run::plan(&run_args, &subject, workload, self.args.seed)?;
        let wanted = self.wanted();
        let starting = start_kind(&wanted, kind);
        let cluster: Arc<dyn Cluster> =
            match unless_stopped(&self.stop, Choice::Kind(kind), starting).await {
                Ok(Some(cluster)) => Arc::from(cluster),
                Ok(None) => return without(CellOutcome::Undecided, "stopped".to_owned()),
                Err(error) => return without(CellOutcome::Failed, error.to_string()),
            };
        if let Err(refused) = Nemesis::supports(&*cluster, &plan.schedule) {
            take_down(&*cluster).await;
            return without(CellOutcome::Refused, refused.to_string());
        }
        let mut settings = run::settings(&run_args, &subject, &plan);
        settings.cluster = kind.to_string();
        let runs = self.folder.file("runs");
        let folder = RunFolder::create(&runs, row.entry.name, Timestamp::now())?;
        let stop = self.stop.clone();
        let ended = conduct(&run_args, folder, plan, &settings, &cluster, stop, &|_| {}).await;
        take_down(&*cluster).await;
        match ended {
            Ok(Conducted { run, verdict, kept }) => {
                kept?;
                append_to_index(&runs, &run.folder, &verdict)?;
                write_text(&run.folder.file("COMPLETE"), "")?;
                self.judged(row, column, run, verdict)
            }
            Err(failure) => without(CellOutcome::Failed, failure.message),
        }
    }

    /// The defaults of `quarrel run`, held to what the matrix is held to.
    fn run_args(&self, row: &Row<'_>, column: &Column) -> Result<RunArgs, Failure> {
        let faults = column.faults.iter().map(|fault| Fault::parse(fault));
        let matches = run::command(self.catalogue)
            .try_get_matches_from(["run", row.entry.name])
            .map_err(Failure::bug)?;
        let mut args = RunArgs::from_arg_matches(&matches).map_err(Failure::bug)?;
        args.faults = faults.collect::<Result<_, _>>().map_err(Failure::usage)?;
        args.time = self.args.time.unwrap_or(TIME);
        Ok(args)
    }

    fn judged(
        &self,
        row: &Row<'_>,
        column: &Column,
        run: LoadedRun,
        verdict: VerdictFile,
    ) -> Result<MatrixCell, Failure> {
        let (outcome, strongest) = match verdict.outcome {
            RunOutcome::Held(_) => (CellOutcome::Held, Some(verdict.strongest)),
            RunOutcome::Violated => (CellOutcome::Broken, Some(verdict.strongest)),
            RunOutcome::Undecided => (CellOutcome::Undecided, None),
            RunOutcome::Vacuous => (CellOutcome::Vacuous, None),
            RunOutcome::Environment => (CellOutcome::Failed, None),
        };
        let name = run.folder.name.clone();
        let witness = self.witness(row, column, run, verdict.anomalies)?;
        let rungs = verdict.ladder.iter().map(|rung| CellRung {
            guarantee: rung.guarantee,
            validity: rung.validity,
            below_steps: None,
            // One witness, of the worst that was seen: it stands where the
            // ladder first breaks.
            broken: (rung.guarantee == Guarantee::Linearizable
                && rung.validity == Validity::Invalid)
                .then(|| witness.clone())
                .flatten(),
        });
        Ok(MatrixCell {
            strategy: row.label.clone(),
            fault: column.label.clone(),
            outcome,
            strongest,
            rungs: rungs.collect(),
            evidence: Some(CellEvidence {
                run: format!("runs/{name}"),
                reads_at_risk: verdict.metrics.reads_at_risk,
                stale_reads: verdict.metrics.stale_reads,
                worst_staleness_ms: verdict.metrics.worst_staleness.as_secs_f64() * 1e3,
                faults_injected: verdict.fault_count.injected,
                faults_observed: verdict.fault_count.observed,
            }),
            searched: None,
            note: (outcome != CellOutcome::Broken).then_some(verdict.reason),
        })
    }

    /// The first anomaly that can be cut out and, shrunk, still has its cause;
    /// without a race the first of all. What a race cannot hold, such as a
    /// cache that came back old in the middle of a storm, must not be shown by
    /// one that breaks for another reason.
    fn witness(
        &self,
        row: &Row<'_>,
        column: &Column,
        run: LoadedRun,
        anomalies: Vec<Anomaly>,
    ) -> Result<Option<CellBreak>, Failure> {
        let cutter = Cutter::new(run, anomalies.clone(), self.catalogue)?;
        for (anomaly, number) in anomalies.iter().zip(1..=TRIED) {
            let Ok(Some((race, _))) = cutter.cut(number) else { continue };
            let Ok(Some(finding)) = shrink_race(cutter.make(), &race) else { continue };
            if anomaly.cause != Some(finding.cause) {
                continue;
            }
            let text = finding.race.to_string();
            let path = write_race(self.folder, row, column, Guarantee::Linearizable, &text)?;
            return Ok(Some(of(anomaly, Some(path))));
        }
        Ok(anomalies.first().map(|anomaly| of(anomaly, None)))
    }
}

/// A storm shows no shortest break: its steps are not counted.
fn of(anomaly: &Anomaly, race: Option<String>) -> CellBreak {
    CellBreak {
        what: anomaly.class.to_string(),
        cause: anomaly.cause.unwrap_or(Cause::Unexplained),
        steps: None,
        race,
    }
}
