//! Where upstream's errors find what all versions share.

use kinds::Place;
use schema::cursor::Ref;

/// What a version has that all versions may have alike: its name in `spec.versions[*]` and in upstream's `spec`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Part {
    version: &'static str,
    shared: &'static str,
}

pub(super) const SCHEMA: Part = Part {
    version: "schema",
    shared: "validation",
};
pub(super) const SUBRESOURCES: Part = Part {
    version: "subresources",
    shared: "subresources",
};
pub(super) const COLUMNS: Part = Part {
    version: "additionalPrinterColumns",
    shared: "additionalPrinterColumns",
};
pub(super) const FIELDS: Part = Part {
    version: "selectableFields",
    shared: "selectableFields",
};

impl Part {
    /// Whether all versions have the same.
    pub(super) fn is_shared(self, spec: Ref<'_>) -> bool {
        let mut versions = spec
            .at("versions")
            .items()
            .map(|version| version.at(self.version));
        let Some(first) = versions.next() else {
            return false;
        };
        versions.all(|other| other == first || (other.is_empty() && first.is_empty()))
    }

    /// The version's own, where not all have the same.
    pub(super) fn of_version<'c, 'a>(self, spec: Ref<'a>, version: &'c Place<'_, 'a>) -> Place<'c, 'a> {
        let nothing = version.value().at("");
        let own = version.value().at(self.version);
        version.named(self.version, if self.is_shared(spec) { nothing } else { own })
    }

    /// What all versions have.
    pub(super) fn of_all<'c, 'a>(self, spec: &'c Place<'_, 'a>) -> Place<'c, 'a> {
        let first = spec.at("versions").items().next();
        let shared = first.filter(|_| self.is_shared(spec.value()));
        let value = shared.map_or(spec.value().at(""), |version| version.at(self.version));
        spec.named(self.shared, value)
    }
}
