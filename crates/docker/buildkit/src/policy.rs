//! Source policies: rules by which a client allows sources, denies them, or has others taken instead
//! (`EXPERIMENTAL_BUILDKIT_SOURCE_POLICY`).

use std::collections::BTreeMap;

use bytes::Bytes;
use image::Digest;
use llb::pb;
use prost::Message as _;
use regex::{Regex, RegexBuilder};

use crate::grpc::{Code, Status};
use crate::proto::sourcepolicy::{AttrConstraint, AttrMatch, MatchType, Policy, PolicyAction, Rule as Asked};

/// Policies of one build, rules of all of them, and bytes of a compiled pattern.
const MAX_POLICIES: usize = 16;
const MAX_RULES: usize = 4096;
const MAX_PATTERN: usize = 1 << 20;
/// As often as upstream has one source converted.
const MAX_CONVERSIONS: usize = 20;

/// The policies of a build.
#[derive(Clone, Debug, Default)]
pub struct Policies(Vec<Vec<Rule>>);

#[derive(Clone, Debug)]
struct Rule {
    action: PolicyAction,
    identifier: String,
    pattern: Pattern,
    constraints: Vec<Constraint>,
    update: Option<(String, BTreeMap<String, String>)>,
}

#[derive(Clone, Debug)]
enum Pattern {
    Exact,
    /// A wildcard: it is the whole of what it matches.
    Wildcard(Regex),
    Regex(Regex),
}

#[derive(Clone, Debug)]
enum Constraint {
    Equal(String, String),
    Other(String, String),
    Matches(String, Regex),
}

fn refused(sentence: String) -> Status {
    Status::new(Code::Unknown, sentence)
}

fn compiled(pattern: &str) -> Result<Regex, Status> {
    let compiled = RegexBuilder::new(pattern).size_limit(MAX_PATTERN).build();
    compiled.map_err(|cause| refused(format!("failed to compile regexp {pattern:?}: {cause}")))
}

impl Policies {
    /// Reads policies.
    ///
    /// # Errors
    /// A rule that makes no sense.
    pub(crate) fn read<'a>(policies: impl Iterator<Item = &'a Policy>) -> Result<Self, Status> {
        let (mut all, mut rules) = (Vec::new(), 0);
        for policy in policies {
            if policy.version > 1 {
                return Err(refused(format!("unsupported policy version {}", policy.version)));
            }
            rules += policy.rules.len();
            if all.len() >= MAX_POLICIES || rules > MAX_RULES {
                return Err(refused(format!(
                    "more than {MAX_POLICIES} policies, or {MAX_RULES} rules of them"
                )));
            }
            all.push(policy.rules.iter().map(Rule::read).collect::<Result<_, _>>()?);
        }
        Ok(Self(all))
    }

    /// Whether there is nothing to heed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Judges a source, by its identifier and its attributes; both may become others. Gives whether they did.
    ///
    /// # Errors
    /// It is denied; it is converted without end.
    pub fn judge(
        &self,
        identifier: &mut String,
        attrs: &mut BTreeMap<String, String>,
    ) -> Result<bool, String> {
        for count in 0.. {
            if count > MAX_CONVERSIONS {
                return Err("too many mutations on a single source: too many operations".to_owned());
            }
            let mut converted = false;
            for policy in &self.0 {
                converted = pass(policy, identifier, attrs)?;
                if converted {
                    break;
                }
            }
            if !converted {
                return Ok(count > 0);
            }
        }
        Ok(false)
    }

    /// A definition whose sources have been judged, besides those that are `ours`: results of builds, whose sources were.
    ///
    /// # Errors
    /// A source is denied.
    pub(crate) fn judged(
        &self,
        mut definition: pb::Definition,
        ours: &dyn Fn(&str) -> bool,
    ) -> Result<pb::Definition, Status> {
        if self.is_empty() {
            return Ok(definition);
        }
        let mut renamed: BTreeMap<String, String> = BTreeMap::new();
        // Messages come behind those that they name, so once is enough, and the second time shows it.
        for _ in 0..definition.def.len() + 1 {
            let before = renamed.len();
            for bytes in &mut definition.def {
                let Some(other) = self.rewritten(bytes, &renamed, ours)? else {
                    continue;
                };
                let (old, new) = (Digest::of(bytes).to_string(), Digest::of(&other).to_string());
                if let Some(about) = definition.metadata.remove(&old) {
                    definition.metadata.insert(new.clone(), about);
                }
                renamed.insert(old, new);
                *bytes = other;
            }
            if renamed.len() == before {
                break;
            }
        }
        Ok(definition)
    }

    /// A message with what has become of its source and its inputs, if that is anything else.
    fn rewritten(
        &self,
        bytes: &Bytes,
        renamed: &BTreeMap<String, String>,
        ours: &dyn Fn(&str) -> bool,
    ) -> Result<Option<Bytes>, Status> {
        let Ok(mut op) = pb::Op::decode(&bytes[..]) else {
            // Whoever reads the definition says what is wrong.
            return Ok(None);
        };
        let mut changed = false;
        for input in &mut op.inputs {
            if let Some(new) = renamed.get(&input.digest) {
                input.digest.clone_from(new);
                changed = true;
            }
        }
        if let Some(pb::op::Op::Source(source)) = &mut op.op
            && !ours(&source.identifier)
        {
            let judged = self.judge(&mut source.identifier, &mut source.attrs);
            changed |=
                judged.map_err(|denied| refused(format!("error evaluating the source policy: {denied}")))?;
        }
        Ok(changed.then(|| op.encode_to_vec().into()))
    }
}

/// One pass of a policy: of allowing and denying the last rule counts, and a conversion ends it.
fn pass(
    policy: &[Rule],
    identifier: &mut String,
    attrs: &mut BTreeMap<String, String>,
) -> Result<bool, String> {
    let mut denied = false;
    for rule in policy {
        if !rule.fits(identifier, attrs) {
            continue;
        }
        match rule.action {
            PolicyAction::Allow => denied = false,
            PolicyAction::Deny => denied = true,
            PolicyAction::Convert => {
                if rule.convert(identifier, attrs) {
                    return Ok(true);
                }
            }
        }
    }
    match denied {
        true => Err(format!(
            "source {identifier:?} denied by policy: source denied by policy"
        )),
        false => Ok(false),
    }
}

impl Rule {
    fn read(asked: &Asked) -> Result<Self, Status> {
        let selector = asked.selector.clone().unwrap_or_default();
        let action = PolicyAction::try_from(asked.action)
            .map_err(|_| refused(format!("source policy: unknown action {}", asked.action)))?;
        let kind = MatchType::try_from(selector.match_type)
            .map_err(|_| refused(format!("unknown match type: {}", selector.match_type)))?;
        let update = asked
            .updates
            .clone()
            .map(|update| (update.identifier, update.attrs));
        if action == PolicyAction::Convert && update.is_none() {
            return Err(refused("missing destination for convert rule".to_owned()));
        }
        let pattern = match kind {
            MatchType::Exact => Pattern::Exact,
            MatchType::Regex => Pattern::Regex(compiled(&selector.identifier)?),
            MatchType::Wildcard => {
                if selector.identifier.contains("**") {
                    return Err(refused("invalid wildcard: \"**\"".to_owned()));
                }
                let quoted = regex::escape(&selector.identifier).replace("\\*", "(.*)");
                Pattern::Wildcard(compiled(&format!("^{quoted}$"))?)
            }
        };
        let constraints = selector.constraints.iter().map(Constraint::read);
        Ok(Self {
            action,
            pattern,
            constraints: constraints.collect::<Result<_, _>>()?,
            identifier: selector.identifier,
            update,
        })
    }

    fn fits(&self, identifier: &str, attrs: &BTreeMap<String, String>) -> bool {
        let said = |name: &str| attrs.get(name).map_or("", String::as_str);
        let holds = |constraint: &Constraint| match constraint {
            Constraint::Equal(name, value) => said(name) == value,
            Constraint::Other(name, value) => said(name) != value,
            Constraint::Matches(name, pattern) => pattern.is_match(said(name)),
        };
        self.constraints.iter().all(holds)
            && (self.identifier == identifier
                || match &self.pattern {
                    Pattern::Exact => false,
                    Pattern::Wildcard(pattern) | Pattern::Regex(pattern) => pattern.is_match(identifier),
                })
    }

    /// Makes another source of it; whether it is another.
    fn convert(&self, identifier: &mut String, attrs: &mut BTreeMap<String, String>) -> bool {
        let Some((wanted, more)) = &self.update else {
            return false;
        };
        let wanted = if wanted.is_empty() {
            &self.identifier
        } else {
            wanted
        };
        let other = match &self.pattern {
            Pattern::Exact => wanted.clone(),
            Pattern::Regex(pattern) => pattern.replace_all(identifier, &**wanted).into_owned(),
            Pattern::Wildcard(pattern) => match pattern.captures(identifier) {
                Some(captures) => {
                    let mut other = String::new();
                    captures.expand(wanted, &mut other);
                    other
                }
                None => identifier.clone(),
            },
        };
        let mut changed = !other.is_empty() && *identifier != other;
        if changed {
            *identifier = other;
        }
        for (name, value) in more {
            changed |= attrs.insert(name.clone(), value.clone()).as_ref() != Some(value);
        }
        changed
    }
}

impl Constraint {
    fn read(asked: &AttrConstraint) -> Result<Self, Status> {
        let (key, value) = (asked.key.clone(), asked.value.clone());
        match AttrMatch::try_from(asked.condition) {
            Ok(AttrMatch::Equal) => Ok(Self::Equal(key, value)),
            Ok(AttrMatch::Notequal) => Ok(Self::Other(key, value)),
            Ok(AttrMatch::Matches) => Ok(Self::Matches(key, compiled(&value)?)),
            Err(_) => Err(refused(format!("unknown attr condition: {}", asked.condition))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::sourcepolicy::{Selector, Update};

    fn rule(action: PolicyAction, kind: MatchType, identifier: &str, update: Option<&str>) -> Asked {
        Asked {
            action: action.into(),
            selector: Some(Selector {
                identifier: identifier.to_owned(),
                match_type: kind.into(),
                constraints: Vec::new(),
            }),
            updates: update.map(|identifier| Update {
                identifier: identifier.to_owned(),
                attrs: BTreeMap::new(),
            }),
        }
    }

    fn judged(rules: Vec<Asked>, identifier: &str) -> Result<String, String> {
        let policy = Policy { version: 1, rules };
        let policies = Policies::read(std::iter::once(&policy)).map_err(|status| status.message)?;
        let mut identifier = identifier.to_owned();
        policies.judge(&mut identifier, &mut BTreeMap::new())?;
        Ok(identifier)
    }

    #[test]
    fn the_last_rule_that_fits_counts_and_conversions_are_judged_again() {
        use MatchType::{Exact, Regex, Wildcard};
        use PolicyAction::{Allow, Convert, Deny};
        let image = "docker-image://docker.io/library/a:1";
        let denied =
            "source \"docker-image://docker.io/library/a:1\" denied by policy: source denied by policy";
        let to = |identifier| Some(identifier);
        for (rules, expected) in [
            (vec![rule(Deny, Wildcard, "docker-image://*", None)], Err(denied)),
            (
                vec![rule(Deny, Wildcard, "*", None), rule(Allow, Exact, image, None)],
                Ok(image),
            ),
            (
                vec![rule(Deny, Exact, "docker-image://docker.io/library/a", None)],
                Ok(image),
            ),
            (
                vec![rule(
                    Convert,
                    Wildcard,
                    "docker-image://docker.io/*:1",
                    to("docker-image://r/$1:2"),
                )],
                Ok("docker-image://r/library/a:2"),
            ),
            (
                vec![rule(Convert, Regex, "library/(.)", to("mine/${1}x"))],
                Ok("docker-image://docker.io/mine/ax:1"),
            ),
            (
                vec![
                    rule(Convert, Exact, image, to("docker-image://b")),
                    rule(Deny, Exact, "docker-image://b", None),
                ],
                Err("source \"docker-image://b\" denied by policy: source denied by policy"),
            ),
            (
                vec![
                    rule(Convert, Exact, image, to("docker-image://b")),
                    rule(Convert, Exact, "docker-image://b", to(image)),
                ],
                Err("too many mutations on a single source: too many operations"),
            ),
            (
                vec![rule(Convert, Exact, image, None)],
                Err("missing destination for convert rule"),
            ),
            (
                vec![rule(Deny, Wildcard, "**", None)],
                Err("invalid wildcard: \"**\""),
            ),
        ] {
            let judged = judged(rules.clone(), image);
            assert_eq!(judged.as_deref().map_err(String::as_str), expected, "{rules:?}");
        }
    }

    #[test]
    fn a_definition_is_judged_source_by_source() {
        let source = pb::Op {
            op: Some(pb::op::Op::Source(pb::SourceOp {
                identifier: "docker-image://a".to_owned(),
                ..pb::SourceOp::default()
            })),
            ..pb::Op::default()
        };
        let source = source.encode_to_vec();
        let upon = |bytes: &[u8]| {
            let op = pb::Op {
                inputs: vec![pb::Input {
                    digest: Digest::of(bytes).to_string(),
                    index: 0,
                }],
                ..pb::Op::default()
            };
            op.encode_to_vec()
        };
        let (middle, about) = (upon(&source), pb::OpMetadata::default());
        let definition = pb::Definition {
            metadata: BTreeMap::from([(Digest::of(&source).to_string(), about)]),
            def: vec![source.into(), middle.clone().into(), upon(&middle).into()],
            source: None,
        };
        let policy = Policy {
            version: 1,
            rules: vec![rule(
                PolicyAction::Convert,
                MatchType::Exact,
                "docker-image://a",
                Some("docker-image://b"),
            )],
        };
        let judged = Policies::read(std::iter::once(&policy))
            .unwrap()
            .judged(definition.clone(), &|_| false)
            .unwrap();
        let digests: Vec<String> = judged
            .def
            .iter()
            .map(|bytes| Digest::of(bytes).to_string())
            .collect();
        let ops: Vec<pb::Op> = judged
            .def
            .iter()
            .map(|bytes| pb::Op::decode(&bytes[..]).unwrap())
            .collect();
        assert!(judged.metadata.contains_key(&digests[0]));
        assert_eq!(
            (&ops[1].inputs[0].digest, &ops[2].inputs[0].digest),
            (&digests[0], &digests[1])
        );
        let Some(pb::op::Op::Source(source)) = &ops[0].op else {
            panic!("no source");
        };
        assert_eq!(source.identifier, "docker-image://b");
        let ours = |identifier: &str| identifier == "docker-image://a";
        let kept = Policies::read(std::iter::once(&policy))
            .unwrap()
            .judged(definition.clone(), &ours)
            .unwrap();
        assert_eq!(kept, definition);
    }
}
