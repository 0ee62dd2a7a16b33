//! Writing objects: one path for every resource. (WRITE)
