//! `CustomResourceDefinition`: the kind's own row.
