//! The bounds of a LimitRange, with upstream's texts.

use kinds::quota::{self, Amount, Amounts, amounts};
use schema::cursor::Ref;

use super::{Limit, Texts};

/// Holds a pod to a limit for containers or for pods.
pub(super) fn of_pod(limit: &Limit, pod: Ref<'_>, wrong: &mut Vec<String>) {
    match limit.r#type.as_str() {
        "Container" => {
            let lists = ["spec.containers", "spec.initContainers"];
            for container in lists.into_iter().flat_map(|list| pod.path(list).items()) {
                let side = |side: &str| amounts(container.at("resources").at(side));
                bounds(limit, &side("requests"), &side("limits"), wrong);
            }
        }
        "Pod" => bounds(
            limit,
            &quota::requests(pod, false),
            &quota::limits(pod, false),
            wrong,
        ),
        _ => {}
    }
}

fn bounds(limit: &Limit, requests: &Amounts, limits: &Amounts, wrong: &mut Vec<String>) {
    wrong.extend(check(limit, &limit.min, |enforced| {
        minimum(enforced, requests, limits)
    }));
    wrong.extend(check(limit, &limit.max, |enforced| {
        maximum(enforced, requests, limits)
    }));
    wrong.extend(check(limit, &limit.max_limit_request_ratio, |enforced| {
        ratio(enforced, requests, limits)
    }));
}

/// Holds a claim to a limit for claims.
pub(super) fn of_claim(limit: &Limit, claim: Ref<'_>, wrong: &mut Vec<String>) {
    if limit.r#type != "PersistentVolumeClaim" {
        return;
    }
    let requests = amounts(claim.path("spec.resources.requests"));
    let none = Amounts::new();
    wrong.extend(check(limit, &limit.min, |enforced| {
        minimum(enforced, &requests, &none)
    }));
    wrong.extend(check(limit, &limit.max, |enforced| {
        let head = enforced.head("maximum");
        match requests.get(enforced.resource) {
            None => Some(format!("{head}.  No request is specified")),
            Some(request) => {
                exceeds(*request, enforced.amount).then(|| format!("{head}, but request is {request}"))
            }
        }
    }));
}

/// One bound.
struct Enforced<'a> {
    kind: &'a str,
    resource: &'a str,
    text: &'a str,
    amount: Amount,
}

impl Enforced<'_> {
    fn head(&self, side: &str) -> String {
        format!(
            "{side} {} usage per {} is {}",
            self.resource, self.kind, self.text
        )
    }
}

fn check<'a>(
    limit: &'a Limit,
    texts: &'a Texts,
    judge: impl Fn(&Enforced<'a>) -> Option<String>,
) -> impl Iterator<Item = String> {
    texts.iter().filter_map(move |(resource, text)| {
        judge(&Enforced {
            kind: &limit.r#type,
            resource,
            text,
            amount: Amount::read(text),
        })
    })
}

/// Upstream compares thousandths, rounded up.
fn exceeds(amount: Amount, bound: Amount) -> bool {
    amount.millis() > bound.millis()
}

fn minimum(enforced: &Enforced<'_>, requests: &Amounts, limits: &Amounts) -> Option<String> {
    let head = enforced.head("minimum");
    let Some(request) = requests.get(enforced.resource) else {
        return Some(format!("{head}.  No request is specified"));
    };
    if exceeds(enforced.amount, *request) {
        return Some(format!("{head}, but request is {request}"));
    }
    let low = limits
        .get(enforced.resource)
        .filter(|limit| exceeds(enforced.amount, **limit));
    low.map(|limit| format!("{head}, but limit is {limit}"))
}

fn maximum(enforced: &Enforced<'_>, requests: &Amounts, limits: &Amounts) -> Option<String> {
    let head = enforced.head("maximum");
    let Some(limit) = limits.get(enforced.resource) else {
        return Some(format!("{head}.  No limit is specified"));
    };
    if exceeds(*limit, enforced.amount) {
        return Some(format!("{head}, but limit is {limit}"));
    }
    let high = requests
        .get(enforced.resource)
        .filter(|request| exceeds(**request, enforced.amount));
    high.map(|request| format!("{head}, but request is {request}"))
}

fn ratio(enforced: &Enforced<'_>, requests: &Amounts, limits: &Amounts) -> Option<String> {
    let head = format!(
        "{} max limit to request ratio per {} is {}",
        enforced.resource, enforced.kind, enforced.text
    );
    let given = |side: &Amounts| {
        side.get(enforced.resource)
            .filter(|amount| !amount.is_zero())
            .copied()
    };
    let Some(request) = given(requests) else {
        return Some(format!("{head}, but no request is specified or request is 0"));
    };
    let Some(limit) = given(limits) else {
        return Some(format!("{head}, but no limit is specified or limit is 0"));
    };
    let observed = parts(limit) / parts(request);
    (observed * 1000.0 > parts(enforced.amount))
        .then(|| format!("{head}, but provided ratio is {observed:.6}"))
}

/// Thousandths as a ratio is taken of: no quantity is so large that what is lost would show.
#[expect(clippy::cast_precision_loss, reason = "a ratio is printed with six digits")]
fn parts(amount: Amount) -> f64 {
    amount.millis() as f64
}
