//! What stands in for a key that is not there, as the code has it: `impl Default`, serde's `default`, and `unwrap_or` on a
//! field of the struct that was read.

use super::source::{Source, enums, serde, snake_case};
use super::tables::variants;
use std::collections::{BTreeMap, BTreeSet};
use syn::visit::{self, Visit};
use syn::{BinOp, Block, Expr, Field, ImplItem, ImplItemFn, Item, ItemFn, ItemStruct, Lit, Local, Member};
use syn::{Pat, Stmt, Type, UnOp};

/// Defaults of every struct.
pub struct Defaults<'a> {
    /// By name of the struct: its `impl Default`.
    whole: BTreeMap<String, Whole>,
    /// By package, name of the struct and field: what `unwrap_or` says.
    instead: BTreeMap<(String, String, String), BTreeSet<String>>,
    sources: &'a [Source],
}

/// An `impl Default`.
struct Whole {
    /// Values by field, as far as they are written down.
    fields: Vec<(String, Option<String>)>,
    /// Structs that are taken apart in it, whose defaults are its own: `let Variation { steps, .. } = v`.
    parts: Vec<String>,
}

impl<'a> Defaults<'a> {
    pub fn new(sources: &'a [Source]) -> Self {
        let mut defaults = Self { whole: BTreeMap::new(), instead: BTreeMap::new(), sources };
        for source in sources {
            for item in &source.file.items {
                defaults.implementation(item);
            }
            let mut search =
                Search { package: source.package(), source, structs: Vec::new(), found: &mut defaults.instead };
            search.visit_file(&source.file);
        }
        defaults
    }

    fn implementation(&mut self, item: &Item) {
        let Item::Impl(block) = item else { return };
        let is_default = block.trait_.as_ref().is_some_and(|(_, path, _)| path.is_ident("Default"));
        let (true, Some(name)) = (is_default, last_word(&block.self_ty)) else { return };
        let function = block.items.iter().find_map(|item| if let ImplItem::Fn(f) = item { Some(f) } else { None });
        let statements = function.map(|function| function.block.stmts.as_slice()).unwrap_or_default();
        let Some(Stmt::Expr(Expr::Struct(value), _)) = statements.last() else { return };
        let field = |field: &syn::FieldValue| Some((member(&field.member)?, self.written(&field.expr)));
        let fields = value.fields.iter().filter_map(field).collect();
        let part = |statement: &Stmt| match statement {
            Stmt::Local(Local { pat: Pat::Struct(part), .. }) => part.path.get_ident().map(ToString::to_string),
            _ => None,
        };
        let parts = statements.iter().filter_map(part).collect();
        self.whole.insert(name, Whole { fields, parts });
    }

    /// A plain value, or the name of a closed list's variant.
    fn written(&self, value: &Expr) -> Option<String> {
        let variant = |path: &syn::Path| {
            let mut names = path.segments.iter().rev().map(|segment| &segment.ident);
            let (variant, list) = (names.next()?, names.next()?);
            let (_, list) = enums(self.sources).find(|(_, found)| found.ident == *list)?;
            let index = list.variants.iter().position(|known| known.ident == *variant)?;
            variants(list).into_iter().nth(index).map(|(name, _)| format!("`{name}`"))
        };
        match value {
            Expr::Path(path) => variant(&path.path),
            value => evaluate(value, None),
        }
    }

    /// Of a struct's `impl Default`, or of what is taken apart in it.
    fn in_whole(&self, name: &str, field: &str) -> Option<String> {
        let whole = self.whole.get(name)?;
        let own = whole.fields.iter().find(|(known, _)| known == field).and_then(|(_, value)| value.clone());
        own.or_else(|| whole.parts.iter().find_map(|part| self.in_whole(part, field)))
    }

    /// Of a field: `Some("")` where there is one that is no plain value.
    pub fn of(&self, source: &Source, of: &ItemStruct, field: &Field) -> Option<String> {
        let name = field.ident.as_ref()?.to_string();
        if serde(&of.attrs).default {
            let of = of.ident.to_string();
            let found =
                if self.whole.contains_key(&of) { self.in_whole(&of, &name) } else { Some(plain_default(&field.ty)) };
            return Some(found.unwrap_or_default());
        }
        let told = serde(&field.attrs);
        match told.default_function {
            Some(function) => Some(self.function(source, &function).unwrap_or_default()),
            None if told.default => Some(plain_default(&field.ty)),
            None => self.instead(source, &of.ident.to_string(), &name),
        }
    }

    fn instead(&self, source: &Source, of: &str, field: &str) -> Option<String> {
        let found = self.instead.get(&(source.package().to_owned(), of.to_owned(), field.to_owned()))?;
        (found.len() == 1).then(|| found.first().cloned()).flatten()
    }

    fn function(&self, source: &Source, name: &str) -> Option<String> {
        let here = self.sources.iter().find(|other| other.path == source.path)?;
        let is_it = |item: &&Item| if let Item::Fn(function) = item { function.sig.ident == name } else { false };
        let Some(Item::Fn(function)) = here.file.items.iter().find(is_it) else { return None };
        last(&function.block).and_then(|value| evaluate(value, Some(here)))
    }
}

fn plain_default(kind: &Type) -> String {
    match last_word(kind).as_deref() {
        Some("bool") => "false",
        Some("f64" | "f32" | "u64" | "u32" | "u16" | "u8" | "usize" | "i64") => "0",
        _ => "",
    }
    .to_owned()
}

fn last(block: &Block) -> Option<&Expr> {
    if let Some(Stmt::Expr(value, None)) = block.stmts.last() { Some(value) } else { None }
}

pub fn last_word(kind: &Type) -> Option<String> {
    if let Type::Path(path) = kind { path.path.segments.last().map(|segment| segment.ident.to_string()) } else { None }
}

fn member(member: &Member) -> Option<String> {
    if let Member::Named(name) = member { Some(name.to_string()) } else { None }
}

/// A value that is written down as a number, a text, a truth value, a product of numbers, or a constant of this file.
fn evaluate(value: &Expr, source: Option<&Source>) -> Option<String> {
    if let Some(number) = number(value, source) {
        return Some(number.to_string());
    }
    match value {
        Expr::Lit(literal) => match &literal.lit {
            Lit::Bool(flag) => Some(flag.value.to_string()),
            Lit::Str(text) => Some(format!("\"{}\"", text.value())),
            _ => None,
        },
        Expr::Array(array) => {
            let values: Option<Vec<String>> = array.elems.iter().map(|one| evaluate(one, source)).collect();
            values.map(|values| format!("[{}]", values.join(", ")))
        }
        // `Role::Viewer.name().to_owned()`
        Expr::MethodCall(call) if call.method == "name" => match &*call.receiver {
            Expr::Path(path) if path.path.segments.len() > 1 => {
                path.path.segments.last().map(|last| format!("\"{}\"", snake_case(&last.ident.to_string())))
            }
            _ => None,
        },
        Expr::MethodCall(call) => evaluate(&call.receiver, source).filter(|text| text.starts_with('"')),
        Expr::Closure(closure) => evaluate(&closure.body, source),
        _ => None,
    }
}

fn number(value: &Expr, source: Option<&Source>) -> Option<f64> {
    match value {
        Expr::Lit(literal) => match &literal.lit {
            Lit::Int(number) => number.base10_parse().ok(),
            Lit::Float(number) => number.base10_parse().ok(),
            _ => None,
        },
        Expr::Unary(negated) if matches!(negated.op, UnOp::Neg(_)) => number(&negated.expr, source).map(|n| -n),
        Expr::Binary(product) if matches!(product.op, BinOp::Mul(_)) => {
            Some(number(&product.left, source)? * number(&product.right, source)?)
        }
        Expr::Path(path) => {
            let name = path.path.get_ident()?;
            let constants =
                source?.file.items.iter().filter_map(|i| if let Item::Const(c) = i { Some(c) } else { None });
            number(&constants.into_iter().find(|constant| constant.ident == *name)?.expr, source)
        }
        _ => None,
    }
}

/// Looks for `raw.key.unwrap_or(value)` in functions that name the struct as the type of an argument or a variable.
struct Search<'a> {
    package: &'a str,
    source: &'a Source,
    structs: Vec<String>,
    found: &'a mut BTreeMap<(String, String, String), BTreeSet<String>>,
}

impl Search<'_> {
    fn function(&mut self, visit: impl FnOnce(&mut Self)) {
        let before = std::mem::take(&mut self.structs);
        visit(self);
        self.structs = before;
    }
}

impl<'ast> Visit<'ast> for Search<'_> {
    fn visit_item_fn(&mut self, function: &'ast ItemFn) {
        self.function(|search| visit::visit_item_fn(search, function));
    }

    fn visit_impl_item_fn(&mut self, function: &'ast ImplItemFn) {
        self.function(|search| visit::visit_impl_item_fn(search, function));
    }

    fn visit_pat_type(&mut self, typed: &'ast syn::PatType) {
        let mut kind = &*typed.ty;
        while let Type::Reference(reference) = kind {
            kind = &reference.elem;
        }
        self.structs.extend(last_word(kind));
        visit::visit_pat_type(self, typed);
    }

    fn visit_expr_method_call(&mut self, call: &'ast syn::ExprMethodCall) {
        let is_instead = ["unwrap_or", "unwrap_or_else"].contains(&call.method.to_string().as_str());
        if let (true, Expr::Field(field), Some(value)) = (is_instead, &*call.receiver, call.args.first())
            && let (Some(key), Some(value)) = (member(&field.member), evaluate(value, Some(self.source)))
        {
            for name in &self.structs {
                let place = (self.package.to_owned(), name.clone(), key.clone());
                self.found.entry(place).or_default().insert(value.clone());
            }
        }
        visit::visit_expr_method_call(self, call);
    }
}
