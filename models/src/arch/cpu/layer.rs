//! One decoder layer in five steps of the team: q·k·v, attention, output, gate · up, down. Computes on the team, writes to the state.

use cloister_kernels::{Attention, Linear, Norm, Team};

use super::state::{Activations, State, Step};
use super::weights::Weights;
use crate::ModelError;
use crate::arch::{Blueprint, Part};

pub(super) struct Layer {
    attention_norm: Norm,
    query: Linear,
    key: Linear,
    value: Linear,
    head_norms: Option<[Norm; 2]>,
    output: Linear,
    after_attention: Option<Norm>,
    feed_forward_norm: Norm,
    gate: Linear,
    up: Linear,
    down: Linear,
    after_feed_forward: Option<Norm>,
}

impl Layer {
    pub(super) fn load(
        weights: &mut Weights<'_, '_>,
        plan: &Blueprint,
        index: usize,
    ) -> Result<Self, ModelError> {
        let name = |part: &str| format!("blk.{index}.{part}");
        let (wide, narrow) = (
            plan.heads.saturating_mul(plan.head),
            plan.kv_heads.saturating_mul(plan.head),
        );
        let mut norm = |part: &str, len: usize, here: Part| match here {
            Part::Present => weights.norm(&name(part), len, plan.epsilon).map(Some),
            Part::Absent => Ok(None),
        };
        let head_norms = norm("attn_q_norm", plan.head, plan.head_norms)?.zip(norm(
            "attn_k_norm",
            plan.head,
            plan.head_norms,
        )?);
        let after_attention = norm("post_attention_norm", plan.hidden, plan.after_norms)?;
        let after_feed_forward = norm("post_ffw_norm", plan.hidden, plan.after_norms)?;
        let attention_norm = weights.norm(&name("attn_norm"), plan.hidden, plan.epsilon)?;
        let feed_forward_norm = weights.norm(&name("ffn_norm"), plan.hidden, plan.epsilon)?;
        let mut linear =
            |part: &str, outputs, inputs, bias| weights.linear(&name(part), outputs, inputs, bias);
        Ok(Self {
            attention_norm,
            query: linear("attn_q", wide, plan.hidden, plan.bias)?,
            key: linear("attn_k", narrow, plan.hidden, plan.bias)?,
            value: linear("attn_v", narrow, plan.hidden, plan.bias)?,
            head_norms: head_norms.map(|(query, key)| [query, key]),
            output: linear("attn_output", plan.hidden, wide, Part::Absent)?,
            after_attention,
            feed_forward_norm,
            gate: linear("ffn_gate", plan.feed_forward, plan.hidden, Part::Absent)?,
            up: linear("ffn_up", plan.feed_forward, plan.hidden, Part::Absent)?,
            down: linear("ffn_down", plan.hidden, plan.feed_forward, Part::Absent)?,
            after_feed_forward,
        })
    }

    pub(super) fn forward(&self, plan: &Blueprint, index: usize, step: &mut Step<'_>) {
        self.attend(plan, index, step);
        let State {
            team, activations, ..
        } = &mut *step.state;
        let both = [&self.gate, &self.up];
        let Activations {
            stream,
            gated,
            apart,
            ..
        } = activations;
        team.gate(stream, &self.feed_forward_norm, both, plan.gate, gated);
        add(
            team,
            &self.down,
            self.after_feed_forward.as_ref(),
            gated,
            apart,
            stream,
        );
    }

    fn attend(&self, plan: &Blueprint, index: usize, step: &mut Step<'_>) {
        let from = step.from;
        let state = &mut *step.state;
        let activations = &mut state.activations;
        let outputs = [
            (&self.query, &mut activations.queries[..]),
            (&self.key, &mut activations.keys[..]),
            (&self.value, &mut activations.values[..]),
        ];
        state
            .team
            .project(&activations.stream, Some(&self.attention_norm), outputs);
        let local = plan.local_at(index);
        #[expect(clippy::cast_possible_truncation, reason = "activations are f32")]
        let scale = plan.query_scale as f32;
        let attention = Attention {
            layer: index,
            heads: plan.heads,
            kv_heads: plan.kv_heads,
            head: plan.head,
            from,
            window: local.map(|local| local.window),
            scale,
            rope: match (&state.nearby, local) {
                (Some(nearby), Some(_)) => nearby,
                _ => &state.everywhere,
            },
            norms: self.head_norms.as_ref().map(|[query, key]| (query, key)),
        };
        let turned = [&mut activations.queries[..], &mut activations.keys[..]];
        state.team.attend(
            &attention,
            &mut state.cache,
            turned,
            &activations.values,
            &mut activations.mixed,
        );
        let Activations {
            stream,
            mixed,
            apart,
            ..
        } = activations;
        add(
            &mut state.team,
            &self.output,
            self.after_attention.as_ref(),
            mixed,
            apart,
            stream,
        );
    }
}

/// Adds `linear` of the input to the stream, after the norm if there is one.
fn add(
    team: &mut Team,
    linear: &Linear,
    norm: Option<&Norm>,
    input: &[f32],
    apart: &mut [f32],
    stream: &mut [f32],
) {
    match norm {
        None => team.project_onto(input, linear, stream),
        Some(norm) => {
            team.project(input, None, [(linear, &mut apart[..])]);
            team.norm_onto(apart, norm, stream);
        }
    }
}
