//! The plugins that are compiled in, in upstream's order (`pkg/kubeapiserver/options/plugins.go`), those that are on by
//! default. `NamespaceLifecycle` comes before them and asks the store; policies, webhooks and quotas come after them
//! and wait for others.

use schema::cursor::Ref;
use schema::tree::Struct;

use super::Request;
use crate::Answer;

/// Changes what is written. There is no object in a deletion.
pub(super) type Mutate = fn(&Request<'_>, Option<&mut Struct>) -> Answer<()>;

/// Judges what would be stored.
pub(super) type Validate = fn(&Request<'_>, Option<Ref<'_>>) -> Answer<()>;

/// One plugin.
pub(super) struct Plugin {
    /// Upstream's name, as `--enable-admission-plugins` has it.
    pub(super) name: &'static str,
    pub(super) mutate: Option<Mutate>,
    pub(super) validate: Option<Validate>,
}

/// Upstream's order.
pub(super) const PLUGINS: &[Plugin] = &[];
