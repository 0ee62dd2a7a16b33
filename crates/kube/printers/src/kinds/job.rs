//! Jobs and cron jobs.

use schema::cursor::Ref;

use super::{AGE, CONTAINERS, IMAGES, NAME, SELECTOR};
use crate::text::{containers, is_true, selector};
use crate::{Cells, Column, Row, age};

pub(super) const JOB: &[Column] = &[
    NAME,
    Column::text("Status", "Status of the job."),
    Column::text(
        "Completions",
        "How many pods have succeeded, of how many that shall.",
    ),
    Column::text("Duration", "Time required to complete the job."),
    AGE,
    CONTAINERS,
    IMAGES,
    SELECTOR,
];

pub(super) fn job(row: &Row<'_>, cells: &mut Cells<'_>) {
    cells
        .name(row)
        .text(status(row))
        .text(&completions(row))
        .text(&duration(row))
        .age(row);
    let (names, images) = containers(row.at("spec.template.spec"));
    cells
        .text(&names)
        .text(&images)
        .text(&selector(row.at("spec.selector")));
}

fn status(row: &Row<'_>) -> &'static str {
    let conditions = row.at("status.conditions");
    let first = |names: &[&'static str]| names.iter().copied().find(|name| is_true(conditions, name));
    let ended = first(&["Complete", "Failed"]);
    let deleted = row.deleted().then_some("Terminating");
    let going = || first(&["Suspended", "FailureTarget", "SuccessCriteriaMet"]);
    ended.or(deleted).or_else(going).unwrap_or("Running")
}

fn completions(row: &Row<'_>) -> String {
    let succeeded = row.at("status.succeeded").int();
    let parallelism = row.at("spec.parallelism").int();
    match row.at("spec.completions").integer() {
        Some(wanted) => format!("{succeeded}/{wanted}"),
        None if parallelism > 1 => format!("{succeeded}/1 of {parallelism}"),
        None => format!("{succeeded}/1"),
    }
}

fn duration(row: &Row<'_>) -> String {
    let time = |at: Ref<'_>| age::unix_seconds(at.str());
    let Some(start) = time(row.at("status.startTime")) else {
        return String::new();
    };
    let end = time(row.at("status.completionTime")).unwrap_or(row.now);
    age::human_duration(end - start)
}

pub(super) const CRON_JOB: &[Column] = &[
    NAME,
    Column::text("Schedule", "When jobs are made, in cron's notation."),
    Column::text("Timezone", "The time zone of the schedule."),
    Column::bool("Suspend", "Whether no jobs are made at this time."),
    Column::int("Active", "How many jobs are running."),
    Column::text("Last Schedule", "The time since a job was last made."),
    AGE,
    CONTAINERS,
    IMAGES,
    SELECTOR,
];

pub(super) fn cron_job(row: &Row<'_>, cells: &mut Cells<'_>) {
    let suspend = match row.at("spec.suspend").boolean() {
        Some(true) => "True",
        Some(false) => "False",
        None => "<unset>",
    };
    let last = "status.lastScheduleTime";
    let since = row.at(last).exists().then(|| row.since(last));
    cells
        .name(row)
        .text(row.at("spec.schedule").str())
        .present_or(row.at("spec.timeZone"), "<none>")
        .text(suspend)
        .count(row.at("status.active").len())
        .text(since.as_deref().unwrap_or("<none>"))
        .age(row);
    let template = row.at("spec.jobTemplate.spec");
    let (names, images) = containers(template.path("template.spec"));
    cells
        .text(&names)
        .text(&images)
        .text(&selector(template.at("selector")));
}
