//! When a job has failed and when it has succeeded: `podFailurePolicy` and `successPolicy`.

use std::collections::BTreeSet;

use schema::cursor::Ref;
use schema::field::{Error, Errors};

use crate::Place;
use crate::rules::table::Rule::NonNegative;
use crate::rules::text::qualified_name;

const MAX_RULES: usize = 20;
const MAX_CODES: usize = 255;
const MAX_PATTERNS: usize = 20;
const ACTIONS: &[&str] = &["Count", "FailIndex", "FailJob", "Ignore"];
const STATUSES: &[&str] = &["False", "True", "Unknown"];
const OPERATORS: &[&str] = &["In", "NotIn"];

/// One of these words; what is missing is told with all of them.
fn word(place: &Place<'_, '_>, words: &[&str], errors: &mut Errors) {
    let quoted: Vec<String> = words.iter().map(|word| format!("{word:?}")).collect();
    if place.require(errors, &format!("valid values: [{}]", quoted.join(" "))) {
        crate::rules::value::one_of(place, errors, words);
    }
}

/// `podFailurePolicy`
pub(super) fn failure(spec: &Place<'_, '_>, errors: &mut Errors) {
    let policy = spec.child("podFailurePolicy");
    let rules = policy.child("rules");
    if rules.len() > MAX_RULES {
        rules.too_many(errors, MAX_RULES);
    }
    let pod = spec.at("template").at("spec");
    let containers = ["containers", "initContainers"]
        .into_iter()
        .flat_map(|list| pod.at(list).items());
    let names: BTreeSet<&str> = containers.map(|container| container.at("name").str()).collect();
    for rule in rules.each() {
        let action = rule.child("action");
        word(&action, ACTIONS, errors);
        if action.str() == "FailIndex" && !spec.at("backoffLimitPerIndex").exists() {
            action.invalid(errors, "requires the backoffLimitPerIndex to be set");
        }
        failure_rule(&rule, &names, errors);
    }
}

fn failure_rule(rule: &Place<'_, '_>, names: &BTreeSet<&str>, errors: &mut Errors) {
    let (codes, conditions) = (rule.child("onExitCodes"), rule.child("onPodConditions"));
    if codes.exists() {
        exit_codes(&codes, names, errors);
    }
    if conditions.len() > MAX_PATTERNS {
        conditions.too_many(errors, MAX_PATTERNS);
    }
    for pattern in conditions.each() {
        pattern.child("type").check(errors, qualified_name);
        word(&pattern.child("status"), STATUSES, errors);
    }
    let text = match (codes.exists(), conditions.is_empty()) {
        (true, false) => "specifying both OnExitCodes and OnPodConditions is not supported",
        (false, true) => "specifying one of OnExitCodes and OnPodConditions is required",
        _ => return,
    };
    errors.push(Error::invalid(&rule.path(), "", text).without_value());
}

fn exit_codes(codes: &Place<'_, '_>, names: &BTreeSet<&str>, errors: &mut Errors) {
    let (name, values) = (codes.child("containerName"), codes.child("values"));
    word(&codes.child("operator"), OPERATORS, errors);
    if name.exists() && !names.contains(name.str()) {
        let text = "must be one of the container or initContainer names in the pod template";
        name.invalid(errors, text);
    }
    match values.len() {
        0 => values.invalid(errors, "at least one value is required"),
        count if count > MAX_CODES => values.too_many(errors, MAX_CODES),
        _ => {}
    }
    let mut seen = BTreeSet::new();
    for code in values.each() {
        if codes.at("operator").str() == "In" && code.int() == 0 {
            code.invalid_value(errors, code.int(), "must not be 0 for the In operator");
        }
        if !seen.insert(code.int()) {
            code.duplicate(errors);
        }
    }
    if !values.items().map(Ref::int).is_sorted() {
        values.invalid(errors, "must be ordered");
    }
}

const MAX_INDEXES_TEXT: usize = 64 << 10;

/// `successPolicy`
pub(super) fn success(spec: &Place<'_, '_>, errors: &mut Errors) {
    let policy = spec.child("successPolicy");
    if !policy.exists() {
        return;
    }
    if spec.at("completionMode").str() != "Indexed" {
        return policy.invalid(errors, "requires indexed completion mode");
    }
    let rules = policy.child("rules");
    rules.require(
        errors,
        "at least one rules must be specified when the successPolicy is specified",
    );
    if rules.len() > MAX_RULES {
        rules.too_many(errors, MAX_RULES);
    }
    let completions = spec.at("completions").int();
    rules
        .each()
        .for_each(|rule| success_rule(&rule, completions, errors));
}

fn success_rule(rule: &Place<'_, '_>, completions: i64, errors: &mut Errors) {
    let (count, indexes) = (rule.child("succeededCount"), rule.child("succeededIndexes"));
    if !count.exists() && !indexes.exists() {
        rule.required(
            errors,
            "at least one of succeededCount or succeededIndexes must be specified",
        );
    }
    if indexes.len() > MAX_INDEXES_TEXT {
        indexes.too_long(errors, MAX_INDEXES_TEXT);
    }
    let total = self::indexes(indexes.str(), completions);
    if let Err(why) = &total {
        indexes.invalid(errors, format!("error parsing succeededIndexes: {why}"));
    }
    NonNegative.check(&count, errors);
    if count.int() > completions {
        let text =
            format!("must be less than or equal to {completions} (the number of specified completions)");
        count.invalid(errors, text);
    }
    let total = total.unwrap_or_default();
    if indexes.exists() && count.int() > total {
        let text = format!(
            "must be less than or equal to {total} (the number of indexes in the specified succeededIndexes field)"
        );
        count.invalid(errors, text);
    }
}

/// How many indexes a list like `1,3-5` has.
pub(super) fn indexes(list: &str, completions: i64) -> Result<i64, String> {
    let ranges = index_ranges(list, completions)?;
    Ok(ranges.iter().map(|(first, end)| end - first + 1).sum())
}

/// The ranges of such a list, first and last index of each.
pub(super) fn index_ranges(list: &str, completions: i64) -> Result<Vec<(i64, i64)>, String> {
    let after = |last: i64, next: i64| match last < next {
        true => Ok(()),
        false => Err(format!("non-increasing order, previous: {last}, current: {next}")),
    };
    let mut ranges: Vec<(i64, i64)> = Vec::new();
    for interval in list.split(',').filter(|_| !list.is_empty()) {
        let (first, end) = ends(interval)?;
        let first = index(first, completions)?;
        ranges.last().map_or(Ok(()), |(_, last)| after(*last, first))?;
        let end = end.map(|end| index(end, completions)).transpose()?;
        end.map_or(Ok(()), |end| after(first, end))?;
        ranges.push((first, end.unwrap_or(first)));
    }
    Ok(ranges)
}

fn index(text: &str, completions: i64) -> Result<i64, String> {
    match text.parse::<i64>() {
        Err(_) => Err(format!("cannot convert string to integer for index: {text:?}")),
        Ok(number) if number >= completions => Err(format!("too large index: {text:?}")),
        Ok(number) => Ok(number),
    }
}

/// The parts of `3-5`, or of `3`.
fn ends(interval: &str) -> Result<(&str, Option<&str>), String> {
    match interval.split('-').collect::<Vec<_>>()[..] {
        [one] => Ok((one, None)),
        [first, end] => Ok((first, Some(end))),
        _ => Err(format!(
            "the fragment {interval:?} violates the requirement that an index interval can have at most two parts \
             separated by '-'"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_indexes_are_counted() {
        assert_eq!(indexes("", 3), Ok(0));
        assert_eq!(indexes("1,3-5,7", 10), Ok(5));
        for (wrong, why) in [
            ("a", "cannot convert string to integer for index: \"a\""),
            ("1-2-3", "the fragment \"1-2-3\" violates"),
            ("3,3", "non-increasing order, previous: 3, current: 3"),
            ("5-4", "non-increasing order, previous: 5, current: 4"),
            ("10", "too large index: \"10\""),
        ] {
            let fault = indexes(wrong, 10).unwrap_err();
            assert!(fault.starts_with(why), "{wrong}: {fault}");
        }
    }
}
