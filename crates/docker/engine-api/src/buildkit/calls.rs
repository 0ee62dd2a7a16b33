//! Questions about a Dockerfile (`docker build --call`, `--check`), answered as BuildKit's frontend answers them, and the
//! linter's warnings of a build.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use ::buildkit::{BuildRequest, Code, Progress, Question, Scans, Status, Warning};
use builder::dockerfile::Span;
use builder::dockerignore::Ignore;
use builder::inquiry::{self, Given, Inquiry, Outline};
use builder::lint::{self, Base, Bases, Facts, Report};
use engine::Engine;
use image::Platform;
use serde_json::{Value, json};

use super::vertices::status;

type Answer = Result<BTreeMap<String, Vec<u8>>, Status>;

/// What bases are, as far as they are here.
struct Here<'a>(&'a Engine);

impl Bases for Here<'_> {
    fn base(&self, reference: &str, wanted: &Platform) -> Option<Base> {
        let images = self.0.images();
        let variant = images.variant(reference, wanted).ok().flatten();
        let image = variant.or_else(|| images.find(reference).ok())?;
        let config = &image.config.config;
        Some(Base {
            env: config.env.clone(),
            shell: config.shell.as_ref().is_some_and(|shell| !shell.is_empty()),
            on_build: config.on_build.clone(),
            platform: Some(image.config.platform()),
        })
    }
}

/// The platform that is asked for, or this machine's.
pub(super) fn platform(asked: Option<&str>) -> Platform {
    let host = lint::host();
    let mut parts = asked.unwrap_or_default().split('/');
    match (parts.next(), parts.next()) {
        (Some(os), Some(architecture)) => Platform {
            os: os.to_owned(),
            architecture: architecture.to_owned(),
            variant: parts.next().map(String::from),
        },
        _ => host,
    }
}

fn inquiry<'a>(question: &'a Question, bases: &'a dyn Bases) -> Inquiry<'a> {
    Inquiry {
        text: &question.text,
        args: &question.args,
        target: question.target.as_deref(),
        platform: platform(question.platform.as_deref()),
        bases,
    }
}

/// The paths of the main context that a Dockerfile uses.
pub(super) fn uses(engine: &Engine, question: &Question) -> Option<Vec<String>> {
    inquiry::uses(&inquiry(question, &Here(engine)))
}

/// What a Dockerfile shows to a scanner.
///
/// # Errors
/// It cannot be parsed.
pub(super) fn scans(engine: &Engine, question: &Question) -> Result<Scans, Status> {
    let scans = inquiry::scans(&inquiry(question, &Here(engine))).map_err(|error| status(&error))?;
    Ok(Scans {
        context: scans.context,
        stages: scans.stages,
    })
}

/// Answers a question.
///
/// # Errors
/// The Dockerfile cannot be parsed, or nobody answers that here.
pub(super) fn answer(engine: &Engine, question: &Question) -> Answer {
    let bases = Here(engine);
    let failed = |error| {
        let status = status(&error);
        match &error {
            builder::BuildError::Parse { source, .. } if source.line > 0 => {
                status.with_source(&question.name, &question.text, (source.line, source.end))
            }
            _ => status,
        }
    };
    match &*question.request {
        "frontend.subrequests.describe" => Ok(described()),
        "frontend.targets" => {
            let targets = inquiry::targets(&question.text).map_err(failed)?;
            Ok(of_targets(&targets, &question.text))
        }
        "frontend.outline" => {
            let outline = inquiry::outline(&inquiry(question, &bases)).map_err(failed)?;
            Ok(of_outline(&outline, &question.text))
        }
        "frontend.lint" => {
            let ignore = question.ignore.as_deref().map(String::from_utf8_lossy);
            let ignore = ignore.map(|text| Ignore::parse(&text)).transpose();
            let ignore = ignore.map_err(|error| Status::invalid(error.to_string()))?;
            let report = lint::lint(
                &question.text,
                &Facts {
                    args: &question.args,
                    target: question.target.as_deref(),
                    ignore: ignore.as_ref(),
                    platform: platform(question.platform.as_deref()),
                    bases: &bases,
                },
            );
            Ok(of_report(&report, &question.name, &question.text))
        }
        other => Err(Status::unimplemented(format!("unsupported request {other}"))),
    }
}

/// The linter's warnings of a build, told with the step that read the Dockerfile.
///
/// # Errors
/// The file says that warnings fail its builds.
pub(super) fn warn(
    engine: &Engine,
    request: &BuildRequest,
    (name, text): (&str, &[u8]),
    progress: &Progress,
) -> Result<(), Status> {
    let report = lint::lint(
        text,
        &Facts {
            args: &request.args,
            target: request.target.as_deref(),
            ignore: None,
            platform: platform(request.platform.as_deref()),
            bases: &Here(engine),
        },
    );
    for warning in &report.warnings {
        progress.warn_of(Warning {
            short: &format!(
                "{}: {} (line {})",
                warning.rule.name, warning.detail, warning.span.start
            ),
            detail: warning.rule.description,
            url: warning.rule.url,
            file: name,
            text,
            lines: (warning.span.start, warning.span.end),
        });
    }
    match report.violation() {
        Some(sentence) => Err(Status::new(Code::Unknown, sentence)),
        None => Ok(()),
    }
}

/// `result.json`, `result.txt` and the version.
fn answered(value: &Value, text: String) -> BTreeMap<String, Vec<u8>> {
    let pretty = serde_json::to_vec_pretty(value).unwrap_or_default();
    BTreeMap::from([
        ("result.json".to_owned(), pretty),
        ("result.txt".to_owned(), text.into_bytes()),
        ("version".to_owned(), b"1.0.0".to_vec()),
    ])
}

fn place(span: Span) -> Value {
    json!({ "ranges": [{ "start": { "line": span.start }, "end": { "line": span.end } }] })
}

fn sources(text: &[u8]) -> Value {
    use base64::Engine as _;
    json!([base64::engine::general_purpose::STANDARD.encode(text)])
}

/// Columns under each other, as upstream's table writer sets them.
fn table(gap: usize, rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or_default() + gap
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in rows {
        for (column, cell) in row.iter().enumerate() {
            let width = if column + 1 < row.len() { widths[column] } else { 0 };
            // Writing to a string cannot fail, here and below.
            let _ = write!(text, "{cell:width$}");
        }
        text.push('\n');
    }
    text
}

fn row<const N: usize>(cells: [&str; N]) -> Vec<String> {
    cells.map(String::from).into()
}

fn described() -> BTreeMap<String, Vec<u8>> {
    let names = |names: &[&str]| -> Vec<Value> {
        names
            .iter()
            .map(|name| json!({ "name": name, "description": "" }))
            .collect()
    };
    let request = |name: &str, description: &str, opts: Value| {
        json!({
            "name": format!("frontend.{name}"), "version": "1.0.0", "type": "rpc", "description": description,
            "opts": opts, "inputs": null, "metadata": names(&["result.json", "result.txt"]), "refs": null,
        })
    };
    let target = json!([{ "name": "target", "description": "Target build stage" }]);
    let all = [
        (
            "outline",
            "List all parameters current build target supports",
            target,
        ),
        ("targets", "List all targets current build supports", json!([])),
        (
            "subrequests.describe",
            "List available subrequest types",
            Value::Null,
        ),
    ];
    let mut rows = vec![row(["NAME", "VERSION", "DESCRIPTION"])];
    rows.extend(
        all.iter()
            .map(|(name, description, _)| row([name, "1.0.0", description])),
    );
    let requests: Vec<Value> = all
        .into_iter()
        .map(|(name, description, opts)| request(name, description, opts))
        .collect();
    answered(&requests.into(), table(1, &rows))
}

fn of_targets(targets: &[inquiry::Target], text: &[u8]) -> BTreeMap<String, Vec<u8>> {
    let target = |target: &inquiry::Target| {
        let mut value = json!({ "base": target.base, "location": place(target.span) });
        let texts = [
            ("name", target.name.clone()),
            ("description", Some(target.description.clone())),
            ("platform", target.platform.clone()),
        ];
        for (name, text) in texts {
            if let Some(text) = text.filter(|text| !text.is_empty()) {
                value[name] = text.into();
            }
        }
        if target.default {
            value["default"] = true.into();
        }
        value
    };
    let mut rows = vec![row(["TARGET", "DESCRIPTION"])];
    rows.extend(targets.iter().map(|target| {
        let name = match (&target.name, target.default) {
            (Some(name), true) => format!("{name} (default)"),
            (None, true) => "(default)".to_owned(),
            (name, false) => name.clone().unwrap_or_default(),
        };
        row([&name, &target.description])
    }));
    let all: Vec<Value> = targets.iter().map(target).collect();
    answered(
        &json!({ "targets": all, "sources": sources(text) }),
        table(1, &rows),
    )
}

fn of_outline(outline: &Outline, text: &[u8]) -> BTreeMap<String, Vec<u8>> {
    let mut value = json!({ "sources": sources(text) });
    let mut out = String::new();
    let name = outline.name.clone().unwrap_or_default();
    if !name.is_empty() || !outline.description.is_empty() {
        value["name"] = name.clone().into();
        let shown = if name.is_empty() { "(default)" } else { &name };
        let mut rows = vec![row(["TARGET:", shown])];
        if !outline.description.is_empty() {
            value["description"] = outline.description.clone().into();
            rows.push(row(["DESCRIPTION:", &outline.description]));
        }
        out = table(1, &rows) + "\n";
    }
    if !outline.args.is_empty() {
        value["args"] = outline.args.iter().map(of_argument).collect();
        let mut rows = vec![row(["BUILD ARG", "VALUE", "DESCRIPTION"])];
        rows.extend(
            outline
                .args
                .iter()
                .map(|arg| row([&arg.name, &arg.value, &arg.description])),
        );
        out += &(table(3, &rows) + "\n");
    }
    for (name, title, list) in [
        ("secrets", "SECRET", &outline.secrets),
        ("ssh", "SSH", &outline.ssh),
    ] {
        if list.is_empty() {
            continue;
        }
        value[name] = list.iter().map(of_mount).collect();
        let required = |given: &Given| if given.required { "true" } else { "" };
        let mut rows = vec![row([title, "REQUIRED"])];
        rows.extend(list.iter().map(|given| row([&given.name, required(given)])));
        out += &(table(3, &rows) + "\n");
    }
    answered(&value, out)
}

fn of_argument(given: &Given) -> Value {
    let mut value = json!({ "name": given.name, "location": place(given.span) });
    for (name, text) in [("value", &given.value), ("description", &given.description)] {
        if !text.is_empty() {
            value[name] = text.clone().into();
        }
    }
    value
}

fn of_mount(given: &Given) -> Value {
    let mut value = json!({ "name": given.name, "location": place(given.span) });
    if given.required {
        value["required"] = true.into();
    }
    value
}

fn of_report(report: &Report, name: &str, text: &[u8]) -> BTreeMap<String, Vec<u8>> {
    let warning = |warning: &lint::Warning| {
        let rule = warning.rule;
        let mut value = json!({
            "ruleName": rule.name, "description": rule.description, "detail": warning.detail,
            "location": place(warning.span),
        });
        if !rule.url.is_empty() {
            value["url"] = rule.url.into();
        }
        value
    };
    let warnings: Vec<Value> = report.warnings.iter().map(warning).collect();
    let source = json!({ "filename": name, "language": "Dockerfile", "data": sources(text)[0] });
    let mut value = json!({
        "warnings": if warnings.is_empty() { Value::Null } else { warnings.into() },
        "sources": [source],
    });
    if let Some(fault) = &report.fault {
        let location = fault.span.map_or_else(|| json!({}), place);
        value["buildError"] = json!({ "message": fault.message, "location": location });
    }
    // The heading is the client's, and so is what ended the reading.
    let alone = Report {
        fault: None,
        ..report.clone()
    };
    let printed = alone.print(name, &String::from_utf8_lossy(text));
    let printed = printed.split_once('\n').map_or("", |(_, rest)| rest);
    let mut answer = answered(&value, printed.to_owned());
    let code = if report.is_clean() { "0" } else { "1" };
    answer.insert("result.statuscode".to_owned(), code.into());
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(answer: &BTreeMap<String, Vec<u8>>, name: &str) -> String {
        String::from_utf8(answer[name].clone()).unwrap()
    }

    #[test]
    fn answers_are_as_upstreams() {
        let targets = inquiry::targets(b"# a makes\nFROM x AS a\nFROM a\n").unwrap();
        let answer = of_targets(&targets, b"x");
        assert_eq!(
            text(&answer, "result.txt"),
            "TARGET    DESCRIPTION\na         makes\n(default) \n"
        );
        let parsed: Value = serde_json::from_slice(&answer["result.json"]).unwrap();
        assert_eq!(parsed["targets"][1]["default"], true);
        assert_eq!(parsed["targets"][0]["location"]["ranges"][0]["start"]["line"], 2);
        assert!(text(&described(), "result.txt").starts_with("NAME                 VERSION DESCRIPTION\n"));
        let outline = Outline {
            args: vec![Given {
                name: "A".to_owned(),
                value: "1".to_owned(),
                ..Given::default()
            }],
            ..Outline::default()
        };
        let expected = "BUILD ARG   VALUE   DESCRIPTION\nA           1       \n\n";
        assert_eq!(text(&of_outline(&outline, b""), "result.txt"), expected);
    }

    #[test]
    fn a_clean_file_has_nothing_to_say() {
        let answer = of_report(&Report::default(), "Dockerfile", b"FROM x");
        assert_eq!(text(&answer, "result.txt"), "");
        assert_eq!(text(&answer, "result.statuscode"), "0");
        let parsed: Value = serde_json::from_slice(&answer["result.json"]).unwrap();
        assert_eq!(parsed["warnings"], Value::Null);
    }
}
