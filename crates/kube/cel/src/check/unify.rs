//! Whether one type can stand where another is asked for, and what that says of types not known yet.
//!
//! The rules are those of cel-go's checker, whose messages depend on them.

use crate::types::Type;

/// What has been found out about variables.
#[derive(Debug, Default)]
pub(super) struct Bindings {
    known: Vec<Option<Type>>,
    /// What was bound in the trial under way, and to what before: a trial that fails is taken back.
    trail: Vec<(usize, Option<Type>)>,
}

/// Whether a type may stand for a variable, and whether something stood for it before.
struct Substitution {
    valid: bool,
    bound: bool,
}

impl Bindings {
    pub(super) fn fresh(&mut self) -> Type {
        self.known.push(None);
        Type::Var(u32::try_from(self.known.len() - 1).unwrap_or(u32::MAX))
    }

    fn find(&self, ty: &Type) -> Option<&Type> {
        match ty {
            Type::Var(number) => self.known.get(*number as usize)?.as_ref(),
            _ => None,
        }
    }

    fn bind(&mut self, variable: &Type, ty: Type) {
        if let Type::Var(number) = variable
            && let Some(place) = self.known.get_mut(*number as usize)
        {
            self.trail.push((*number as usize, place.replace(ty)));
        }
    }

    /// The type with all that is known put in; what is not is dynamic if `settle`.
    pub(super) fn resolve(&self, ty: &Type, settle: bool) -> Type {
        match (ty, self.find(ty)) {
            (_, Some(known)) => self.resolve(known, settle),
            (Type::Var(_), None) if settle => Type::Dyn,
            (ty, None) => ty.with(|parameter| self.resolve(parameter, settle)),
        }
    }

    /// Whether each type can be assigned to its counterpart; nothing is bound if not.
    pub(super) fn assign_all(&mut self, from: &[Type], to: &[Type]) -> bool {
        self.trial(|bindings| {
            from.len() == to.len() && from.iter().zip(to).all(|(from, to)| bindings.assign(from, to))
        })
    }

    /// The same for one.
    pub(super) fn assignable(&mut self, one: &Type, other: &Type) -> bool {
        self.trial(|bindings| bindings.assign(one, other))
    }

    fn trial(&mut self, fits: impl FnOnce(&mut Self) -> bool) -> bool {
        self.trail.clear();
        let fits = fits(self);
        while !fits && let Some((number, before)) = self.trail.pop() {
            self.known[number] = before;
        }
        fits
    }

    fn assign(&mut self, one: &Type, other: &Type) -> bool {
        if matches!(other, Type::Var(_)) {
            let substitution = self.substitute(one, other);
            if substitution.valid || substitution.bound {
                return substitution.valid;
            }
        }
        if matches!(one, Type::Var(_)) {
            return self.substitute(other, one).valid;
        }
        if one.is_dyn_or_error() || other.is_dyn_or_error() {
            return true;
        }
        match (one, other) {
            (Type::Null, other) | (other, Type::Null) => nullable(other),
            (Type::Type(_), Type::Type(_)) => true,
            (one, other) => one.same_sort(other) && self.assign_parameters(one, other),
        }
    }

    fn assign_parameters(&mut self, one: &Type, other: &Type) -> bool {
        let pairs = one.parameters().into_iter().zip(other.parameters());
        pairs
            .filter_map(|(one, other)| one.zip(other))
            .all(|(one, other)| self.assign(one, other))
    }

    fn substitute(&mut self, ty: &Type, variable: &Type) -> Substitution {
        let is = |valid, bound| Substitution { valid, bound };
        if ty == variable {
            return is(true, true);
        }
        if let Some(bound) = self.find(variable).cloned() {
            if *ty == bound {
                return is(true, true);
            }
            if !self.assign(ty, &bound) {
                return is(false, true);
            }
            let general = most_general(ty, &bound);
            if !self.occurs(variable, general) {
                let general = general.clone();
                self.bind(variable, general);
            }
            return is(true, true);
        }
        if self.occurs(variable, ty) {
            return is(false, false);
        }
        self.bind(variable, ty.clone());
        is(true, false)
    }

    fn occurs(&self, variable: &Type, within: &Type) -> bool {
        if variable == within {
            return true;
        }
        match (within, self.find(within)) {
            (Type::Var(_), Some(known)) => self.occurs(variable, known),
            (Type::Var(_), None) => false,
            (within, _) => {
                let parameters = within.parameters().into_iter().flatten();
                parameters
                    .into_iter()
                    .any(|parameter| self.occurs(variable, parameter))
            }
        }
    }
}

/// What `null` may stand for.
fn nullable(ty: &Type) -> bool {
    matches!(
        ty,
        Type::Null | Type::Opaque(_) | Type::Object(_) | Type::Optional(_) | Type::Duration | Type::Timestamp
    )
}

/// The more general of two types that unify.
pub(super) fn most_general<'t>(one: &'t Type, other: &'t Type) -> &'t Type {
    if less_specific(one, other) { one } else { other }
}

fn less_specific(one: &Type, other: &Type) -> bool {
    let open = |ty: &Type| matches!(ty, Type::Dyn | Type::Var(_));
    if open(one) || open(other) {
        return open(one);
    }
    if matches!((one, other), (Type::Type(_), Type::Type(_))) {
        return true;
    }
    let mut pairs = one.parameters().into_iter().zip(other.parameters());
    one.same_sort(other)
        && pairs.all(|(one, other)| match (one, other) {
            (Some(one), Some(other)) => less_specific(one, other),
            _ => true,
        })
}
