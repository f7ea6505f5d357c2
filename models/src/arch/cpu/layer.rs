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
        weights: &mut Weights,
        plan: &Blueprint,
        index: usize,
    ) -> Result<Self, ModelError> {
        let name = |part: &str| format!("blk.{index}.{part}");
        let wide = plan.heads.saturating_mul(plan.head);
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
        let [query, key, value] = projections(weights, plan, index)?;
        let [gate, up] = gates(weights, plan, index)?;
        let mut linear =
            |part, outputs, inputs| weights.linear(&name(part), outputs, inputs, Part::Absent);
        Ok(Self {
            attention_norm,
            query,
            key,
            value,
            head_norms: head_norms.map(|(query, key)| [query, key]),
            output: linear("attn_output", plan.hidden, wide)?,
            after_attention,
            feed_forward_norm,
            gate,
            up,
            down: linear("ffn_down", plan.hidden, plan.feed_forward)?,
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

/// Query, key and value of a layer.
fn projections(
    weights: &mut Weights,
    plan: &Blueprint,
    index: usize,
) -> Result<[Linear; 3], ModelError> {
    let name = |part: &str| format!("blk.{index}.attn_{part}");
    let outputs = plan.projections();
    if plan.fused == Part::Present {
        return weights.fused(&name("qkv"), outputs, plan.hidden);
    }
    let [query, key, value] = outputs;
    let mut linear = |part, outputs| weights.linear(&name(part), outputs, plan.hidden, plan.bias);
    Ok([linear("q", query)?, linear("k", key)?, linear("v", value)?])
}

/// Gate and up of a layer.
fn gates(weights: &mut Weights, plan: &Blueprint, index: usize) -> Result<[Linear; 2], ModelError> {
    let name = |part: &str| format!("blk.{index}.ffn_{part}");
    let [gate, up] = plan.gates();
    if plan.fused == Part::Present {
        return weights.fused(&name("up"), [gate, up], plan.hidden);
    }
    let mut linear =
        |part, outputs| weights.linear(&name(part), outputs, plan.hidden, Part::Absent);
    Ok([linear("gate", gate)?, linear("up", up)?])
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
