//! Questions that are answered and not stored: access, rules, self, token reviews; token requests. (AUTH)
