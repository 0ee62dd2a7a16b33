//! Autoscalers: each metric as `current/target`.

use schema::cursor::Ref;

use super::{AGE, NAME};
use crate::text::quantity_pointer;
use crate::{Cells, Column, Row};

pub(super) const AUTOSCALER: &[Column] = &[
    NAME,
    Column::text("Reference", "What is scaled."),
    Column::text("Targets", "Each metric, and what it shall be."),
    Column::text("MinPods", "How many pods there are at least."),
    Column::text("MaxPods", "How many pods there are at most."),
    Column::text("Replicas", "How many pods there are."),
    AGE,
];

pub(super) fn autoscaler(row: &Row<'_>, cells: &mut Cells<'_>) {
    let target = row.at("spec.scaleTargetRef");
    let least = row.at("spec.minReplicas").integer();
    cells
        .name(row)
        .text(&format!(
            "{}/{}",
            target.at("kind").str(),
            target.at("name").str()
        ))
        .text(&metrics(row))
        .text(&least.map_or_else(|| "<unset>".to_owned(), |least| least.to_string()))
        .int(row.at("spec.maxReplicas").int())
        .int(row.at("status.currentReplicas").int())
        .age(row);
}

/// How many metrics a cell shows.
const SHOWN: usize = 2;

fn metrics(row: &Row<'_>) -> String {
    let current: Vec<Ref<'_>> = row.at("status.currentMetrics").items().collect();
    let specs = row.at("spec.metrics");
    let all: Vec<String> = specs
        .items()
        .enumerate()
        .map(|(at, spec)| metric(spec, current.get(at).copied()))
        .collect();
    match all.len() {
        0 => "<none>".to_owned(),
        count if count > SHOWN => format!("{} + {} more...", all[..SHOWN].join(", "), count - SHOWN),
        _ => all.join(", "),
    }
}

/// One metric; the member that describes it is named for its type, in the status too.
fn metric(spec: Ref<'_>, status: Option<Ref<'_>>) -> String {
    let member = match spec.at("type").str() {
        "External" => "external",
        "Pods" => "pods",
        "Object" => "object",
        "Resource" => "resource",
        "ContainerResource" => "containerResource",
        _ => return "<unknown type>".to_owned(),
    };
    let current = status.map(|it| it.at(member)).filter(|it| it.exists());
    let current = current.map(|it| it.at("current"));
    let spec = spec.at(member);
    match member {
        "pods" => average(current, spec.at("target")),
        "external" | "object" => value(current, spec.at("target")),
        _ => format!(
            "{}: {}",
            spec.at("name").str(),
            utilization(current, spec.at("target"))
        ),
    }
}

fn average(current: Option<Ref<'_>>, target: Ref<'_>) -> String {
    let current = current.map_or("<unknown>", |it| quantity_pointer(it.at("averageValue")));
    format!("{current}/{}", quantity_pointer(target.at("averageValue")))
}

fn value(current: Option<Ref<'_>>, target: Ref<'_>) -> String {
    if target.at("averageValue").exists() {
        let current = current.filter(|it| it.at("averageValue").exists());
        return format!("{} (avg)", average(current, target));
    }
    let current = current.map_or("<unknown>", |it| quantity_pointer(it.at("value")));
    format!("{current}/{}", quantity_pointer(target.at("value")))
}

fn utilization(current: Option<Ref<'_>>, target: Ref<'_>) -> String {
    if target.at("averageValue").exists() {
        return average(current, target);
    }
    let percent = |at: Option<Ref<'_>>, unknown: &str| {
        let percent = at.and_then(|it| it.at("averageUtilization").integer());
        percent.map_or_else(|| unknown.to_owned(), |percent| format!("{percent}%"))
    };
    format!(
        "{}/{}",
        percent(current, "<unknown>"),
        percent(Some(target), "<auto>")
    )
}
