//! Where verbs ask admission whether a write may happen.

use schema::cursor::Ref;

use crate::registry::Op;
use crate::{Answer, admission};

pub(crate) fn create(_: &Op<'_>, _: Ref<'_>) -> Answer<()> {
    Ok(())
}

pub(crate) fn update(_: &Op<'_>, _: Ref<'_>, _: Option<Ref<'_>>) -> Answer<()> {
    Ok(())
}

pub(crate) fn delete(op: &Op<'_>, _: Ref<'_>) -> Answer<()> {
    admission::may_delete(op)
}
