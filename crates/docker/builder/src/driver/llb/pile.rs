//! `MergeOp` and `DiffOp`: layers upon each other, and what lies between two.

use ::llb::Vertex;
use image::Digest;

use super::super::Driver;
use super::{Made, Product};
use crate::BuildError;
use crate::executor::{Executor, Work};

impl<E: Executor + 'static> Driver<E> {
    pub(super) async fn merge(&self, vertex: &Vertex, inputs: &[Product]) -> Result<Made, BuildError> {
        let mut images = Vec::new();
        for input in inputs {
            images.extend(self.as_image(input).await?);
        }
        if images.len() < 2 {
            let product = Product::Image(images.first().copied());
            return Ok((vec![product], true));
        }
        let parent = images.remove(0);
        let more: Vec<String> = images.iter().map(Digest::to_string).collect();
        let key = self.vertex_key(vertex, Some(&parent), "0", &more);
        self.one(vertex, key, Some(parent), Work::Merge(images)).await
    }

    pub(super) async fn diff(
        &self,
        vertex: &Vertex,
        lower: Option<Product>,
        upper: Option<Product>,
    ) -> Result<Made, BuildError> {
        let lower = match &lower {
            Some(product) => self.as_image(product).await?,
            None => None,
        };
        let upper = match &upper {
            Some(product) => self.as_image(product).await?,
            None => None,
        };
        let (lower, upper) = match (lower, upper) {
            (None, upper) => return Ok((vec![Product::Image(upper)], true)),
            (Some(lower), Some(upper)) => (lower, upper),
            // Everything that the lower one has is gone.
            (Some(lower), None) => {
                let key = self.vertex_key(vertex, None, "nothing", &[]);
                (lower, self.made(vertex, key, None, Work::Nothing).await?)
            }
        };
        let more = [lower.to_string(), upper.to_string()];
        let key = self.vertex_key(vertex, None, "0", &more);
        self.one(vertex, key, None, Work::Diff(Some(lower), upper)).await
    }
}
