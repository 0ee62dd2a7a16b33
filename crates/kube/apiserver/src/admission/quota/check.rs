//! Whether an object fits into one quota, with upstream's texts.

use kinds::quota::{Amount, Amounts, Evaluator, Scope, amounts};
use schema::cursor::Ref;

use crate::Answer;
use crate::admission::Request;

/// What a write asks of quotas.
pub(super) struct Demand<'a> {
    pub(super) request: &'a Request<'a>,
    evaluator: Evaluator,
    object: Ref<'a>,
    /// What the object counts for.
    usage: Amounts,
    /// What it counted for before, of an update.
    before: Option<Amounts>,
}

impl<'a> Demand<'a> {
    pub(super) fn new(request: &'a Request<'a>, evaluator: Evaluator, object: Ref<'a>) -> Self {
        let now = request.op.now;
        Self {
            usage: evaluator.usage(object, now),
            before: request.old.map(|old| evaluator.usage(old, now)),
            request,
            evaluator,
            object,
        }
    }

    /// What a quota's `status.used` is once it is charged; none if the quota does not count the object, or nothing
    /// more of it.
    ///
    /// # Errors
    /// 403
    pub(super) fn charged(&self, quota: Ref<'_>) -> Answer<Option<Amounts>> {
        let name = quota.path("metadata.name").str();
        let hard = amounts(quota.path("status.hard"));
        let counted = hard.keys().map(String::as_str);
        let counted: Vec<&str> = counted.filter(|name| self.evaluator.counts(name)).collect();
        let scopes = Scope::of(quota);
        if counted.is_empty() || !self.evaluator.in_scope(&scopes, self.object) {
            return Ok(None);
        }
        let stated = self.evaluator.constraints(&counted, self.object);
        stated.map_err(|why| self.refuse(&format!("failed quota: {name}: {why}")))?;
        let used = amounts(quota.path("status.used"));
        if !counted.iter().all(|name| used.contains_key(*name)) {
            let unknown = counted.join(",");
            return Err(self.refuse(&format!("status unknown for quota: {name}, resources: {unknown}")));
        }
        let asked = self.asked(&scopes, &hard)?;
        if asked.is_empty() {
            return Ok(None);
        }
        self.fits(name, &asked, &used, &hard)?;
        Ok(Some(sum(&used, &asked)))
    }

    /// How much more of what the quota limits. An update that brings an object into the quota's scope counts in full.
    fn asked(&self, scopes: &[Scope], hard: &Amounts) -> Answer<Amounts> {
        let negative = self.usage.iter().filter(|(_, amount)| amount.is_negative());
        let negative: Vec<&str> = negative.map(|(name, _)| name.as_str()).collect();
        if !negative.is_empty() {
            let why = format!("quota usage is negative for resource(s): {}", negative.join(","));
            return Err(self.refuse(&why));
        }
        let in_scope = |old: &Ref<'_>| self.evaluator.in_scope(scopes, *old);
        let before = self.request.old.filter(in_scope).and(self.before.as_ref());
        let more = |(name, amount): (&String, &Amount)| {
            let had = before.and_then(|before| before.get(name)).copied();
            let more = amount.minus(had.unwrap_or_default());
            let counts = hard.contains_key(name) && !more.is_zero() && !more.is_negative();
            counts.then(|| (name.clone(), more))
        };
        Ok(self.usage.iter().filter_map(more).collect())
    }

    fn fits(&self, quota: &str, asked: &Amounts, used: &Amounts, hard: &Amounts) -> Answer<()> {
        let total = sum(used, asked);
        let over = |name: &&String| hard.get(*name).is_some_and(|hard| total[*name] > *hard);
        let exceeded: Vec<&String> = asked.keys().filter(over).collect();
        if exceeded.is_empty() {
            return Ok(());
        }
        let print = |amounts: &Amounts| {
            let shown = exceeded
                .iter()
                .filter_map(|name| Some((name, amounts.get(*name)?)));
            let shown: Vec<String> = shown.map(|(name, amount)| format!("{name}={amount}")).collect();
            shown.join(",")
        };
        Err(self.refuse(&format!(
            "exceeded quota: {quota}, requested: {}, used: {}, limited: {}",
            print(asked),
            print(used),
            print(hard)
        )))
    }

    fn refuse(&self, why: &str) -> crate::Refused {
        self.request.forbidden(Some(self.object), why)
    }
}

fn sum(used: &Amounts, asked: &Amounts) -> Amounts {
    let mut sum = used.clone();
    for (name, amount) in asked {
        let total = sum.entry(name.clone()).or_default();
        *total = total.plus(*amount);
    }
    sum
}
