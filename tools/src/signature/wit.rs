//! From WIT text to signatures. Only the kinds of type that tools may use get through.

use wit_parser::{
    Docs, Function, FunctionKind, Handle as WitHandle, Interface, Resolve, Type as Wit, TypeDef,
    TypeDefKind, TypeId, World, WorldItem, WorldKey,
};

use super::{Case, Handle, Param, Signature, Type};
use crate::error::ToolError;
use crate::limits::BOUNDS;

/// The handles as this host knows them; a package cannot bring its own.
const HANDLES: &str = include_str!("../../wit/handles.wit");
const HANDLES_ID: &str = "cloister:tool/handles@0.1.0";
/// What a tool may ask the model, likewise.
const MIND: &str = include_str!("../../wit/mind/tasks.wit");
const MIND_ID: &str = "cloister:mind/tasks@0.1.0";

type Result<T> = std::result::Result<T, String>;

pub(super) fn parse(tool: &str, text: &str) -> std::result::Result<Vec<Signature>, ToolError> {
    signatures(tool, text).map_err(|reason| ToolError::Package {
        tool: tool.into(),
        reason,
    })
}

fn signatures(tool: &str, text: &str) -> Result<Vec<Signature>> {
    if text.len() as u64 > BOUNDS.wit_bytes {
        return Err(format!("its WIT has more than {} bytes", BOUNDS.wit_bytes));
    }
    if text.contains("/**/") {
        // wit-parser takes it for the beginning and the end of a doc, which share a star, and panics.
        return Err("its WIT holds the empty comment `/**/`, which is not read".to_owned());
    }
    let mut resolve = Resolve::default();
    resolve
        .push_str("handles.wit", HANDLES)
        .map_err(|e| format!("handles.wit: {e:#}"))?;
    resolve
        .push_str("tasks.wit", MIND)
        .map_err(|e| format!("tasks.wit: {e:#}"))?;
    let package = resolve
        .push_str(format!("{tool}.wit"), text)
        .map_err(|e| format!("its WIT does not parse: {e:#}"))?;
    let worlds = resolve
        .packages
        .get(package)
        .map(|p| p.worlds.values().copied().collect::<Vec<_>>())
        .unwrap_or_default();
    let [world] = worlds.as_slice() else {
        return Err(format!(
            "its WIT has {} worlds instead of one",
            worlds.len()
        ));
    };
    let world = resolve.worlds.get(*world).ok_or("its world is missing")?;
    let asks_model = imports_mind(&resolve, world)?;
    let (name, interface) = exported(&resolve, world)?;
    if interface.name.as_deref() != Some(tool) {
        return Err(format!(
            "its exported interface `{name}` is not called `{tool}`"
        ));
    }
    interface
        .functions
        .values()
        .map(|f| {
            Ok(Signature {
                asks_model,
                ..signature(&resolve, tool, &name, f)?
            })
        })
        .collect()
}

/// Whether the world imports what asks the model; beside that and the handles it may import nothing.
fn imports_mind(resolve: &Resolve, world: &World) -> Result<bool> {
    let mut mind = false;
    for (key, item) in &world.imports {
        let name = resolve.name_world_key(key);
        match item {
            WorldItem::Interface { .. } if name == HANDLES_ID => {}
            WorldItem::Interface { .. } if name == MIND_ID => mind = true,
            _ => {
                return Err(format!(
                    "its world imports `{name}`; only `{HANDLES_ID}` and `{MIND_ID}` may be imported"
                ));
            }
        }
    }
    Ok(mind)
}

fn exported<'a>(resolve: &'a Resolve, world: &World) -> Result<(String, &'a Interface)> {
    let mut exports = world.exports.iter();
    match (exports.next(), exports.next()) {
        (Some((key @ WorldKey::Interface(_), WorldItem::Interface { id, .. })), None) => {
            let interface = resolve
                .interfaces
                .get(*id)
                .ok_or("its interface is missing")?;
            Ok((resolve.name_world_key(key), interface))
        }
        _ => Err("its world must export exactly one named interface".into()),
    }
}

fn signature(
    resolve: &Resolve,
    tool: &str,
    interface: &str,
    function: &Function,
) -> Result<Signature> {
    if function.kind != FunctionKind::Freestanding {
        return Err(format!("`{}` is not a plain function", function.name));
    }
    let params = function
        .params
        .iter()
        .map(|p| param(resolve, &function.name, &p.name, &p.ty))
        .collect::<Result<Vec<_>>>()?;
    let result = function
        .result
        .as_ref()
        .map(|ty| convert(resolve, ty, 0))
        .transpose()?;
    if result.as_ref().is_some_and(Type::holds_handle) {
        return Err(format!("`{}` gives a handle back", function.name));
    }
    if result.as_ref().is_some_and(inner_result) {
        return Err(format!(
            "`{}` gives a result inside its result",
            function.name
        ));
    }
    Ok(Signature {
        tool: tool.into(),
        function: function.name.clone(),
        interface: interface.into(),
        doc: doc(&function.docs),
        params,
        result,
        asks_model: false,
    })
}

fn param(resolve: &Resolve, function: &str, name: &str, ty: &Wit) -> Result<Param> {
    let ty = convert(resolve, ty, 0)?;
    if has_result(&ty) {
        return Err(format!("parameter `{name}` of `{function}` is a result"));
    }
    if misplaced_handle(&ty) {
        return Err(format!(
            "parameter `{name}` of `{function}` holds a handle inside a record"
        ));
    }
    Ok(Param {
        name: name.into(),
        doc: type_doc(&ty),
        ty,
    })
}

/// Handles stand in parameters, lists and options, where the person can be told about each; never inside records.
fn misplaced_handle(ty: &Type) -> bool {
    match ty {
        Type::List(of) | Type::Option(of) | Type::Alias { of, .. } => misplaced_handle(of),
        Type::Record { fields, .. } => fields.iter().any(|f| f.ty.holds_handle()),
        _ => false,
    }
}

fn has_result(ty: &Type) -> bool {
    match ty {
        Type::Result { .. } => true,
        Type::List(of) | Type::Option(of) | Type::Alias { of, .. } => has_result(of),
        Type::Record { fields, .. } => fields.iter().any(|f| has_result(&f.ty)),
        _ => false,
    }
}

fn inner_result(ty: &Type) -> bool {
    match ty {
        Type::Result { ok, err } => ok.iter().chain(err).any(|t| has_result(t)),
        other => has_result(other),
    }
}

fn convert(resolve: &Resolve, ty: &Wit, depth: usize) -> Result<Type> {
    if depth > BOUNDS.nesting {
        return Err(format!(
            "a type is nested more than {} levels deep",
            BOUNDS.nesting
        ));
    }
    match ty {
        Wit::Bool => Ok(Type::Bool),
        Wit::U32 => Ok(Type::U32),
        Wit::U64 => Ok(Type::U64),
        Wit::S64 => Ok(Type::S64),
        Wit::F64 => Ok(Type::F64),
        Wit::String => Ok(Type::String),
        Wit::Id(id) => defined(resolve, *id, depth),
        other => Err(format!(
            "type `{other:?}` is not among those that tools may use"
        )),
    }
}

fn defined(resolve: &Resolve, id: TypeId, depth: usize) -> Result<Type> {
    let def = resolve.types.get(id).ok_or("a type is missing")?;
    let inner = |ty: &Wit| convert(resolve, ty, depth + 1);
    let boxed = |ty: &Option<Wit>| ty.as_ref().map(|t| inner(t).map(Box::new)).transpose();
    match &def.kind {
        TypeDefKind::Handle(WitHandle::Own(resource)) => handle(resolve, *resource),
        TypeDefKind::List(of) => Ok(Type::List(Box::new(inner(of)?))),
        TypeDefKind::Option(of) => Ok(Type::Option(Box::new(inner(of)?))),
        TypeDefKind::Result(r) => Ok(Type::Result {
            ok: boxed(&r.ok)?,
            err: boxed(&r.err)?,
        }),
        TypeDefKind::Type(of) => Ok(alias(def, inner(of)?)),
        TypeDefKind::Enum(cases) => Ok(Type::Enum {
            name: name(def),
            doc: doc(&def.docs),
            cases: cases
                .cases
                .iter()
                .map(|c| Case {
                    name: c.name.clone(),
                    doc: doc(&c.docs),
                })
                .collect(),
        }),
        TypeDefKind::Record(record) => {
            let fields = record.fields.iter().map(|f| {
                Ok(Param {
                    name: f.name.clone(),
                    doc: doc(&f.docs),
                    ty: inner(&f.ty)?,
                })
            });
            Ok(Type::Record {
                name: name(def),
                doc: doc(&def.docs),
                fields: fields.collect::<Result<_>>()?,
            })
        }
        other => Err(format!(
            "type `{}` is not among those that tools may use",
            def.name.as_deref().unwrap_or(other.as_str())
        )),
    }
}

/// A `use` of a named type keeps that type; a `type` of one's own becomes a visible alias.
fn alias(def: &TypeDef, of: Type) -> Type {
    let own = name(def);
    match &of {
        Type::Record { name, .. } | Type::Enum { name, .. } | Type::Alias { name, .. }
            if *name == own =>
        {
            of
        }
        _ => Type::Alias {
            name: own,
            doc: doc(&def.docs),
            of: Box::new(of),
        },
    }
}

fn handle(resolve: &Resolve, mut id: TypeId) -> Result<Type> {
    for _ in 0..BOUNDS.nesting {
        let def = resolve.types.get(id).ok_or("a resource is missing")?;
        match (&def.kind, def.owner) {
            (TypeDefKind::Type(Wit::Id(next)), _) => id = *next,
            (TypeDefKind::Resource, wit_parser::TypeOwner::Interface(owner))
                if resolve.id_of(owner).as_deref() == Some(HANDLES_ID) =>
            {
                return known_handle(&name(def)).map(Type::Handle);
            }
            _ => break,
        }
    }
    Err(format!("a resource that is not one of `{HANDLES_ID}`"))
}

fn known_handle(name: &str) -> Result<Handle> {
    match name {
        "input" => Ok(Handle::Input),
        "output" => Ok(Handle::Output),
        "movable" => Ok(Handle::Movable),
        "place" => Ok(Handle::Place),
        other => Err(format!("unknown handle `{other}`")),
    }
}

fn type_doc(ty: &Type) -> String {
    match ty {
        Type::Alias { doc, .. } | Type::Record { doc, .. } | Type::Enum { doc, .. } => doc.clone(),
        Type::List(of) | Type::Option(of) => type_doc(of),
        _ => String::new(),
    }
}

fn name(def: &TypeDef) -> String {
    def.name.clone().unwrap_or_default()
}

fn doc(docs: &Docs) -> String {
    docs.contents.as_deref().unwrap_or_default().trim().into()
}
