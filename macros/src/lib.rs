//! The derives of `deathwatch`, which re-exports and describes them.
#![warn(missing_docs)]

use proc_macro::TokenStream;
use proc_macro2::TokenStream as Tokens;
use quote::{ToTokens, quote};
use syn::{Attribute, DeriveInput, Error, Path, Type, parse_macro_input};

/// Implements `Actor` for an actor with `async` handlers, with hooks that do nothing.
#[proc_macro_derive(Actor, attributes(deathwatch))]
pub fn tasks_actor(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    written(actor(&input, &quote!(tasks)))
}

/// Implements `threads::Actor` for an actor with plain handlers, with hooks that do nothing.
#[proc_macro_derive(ThreadActor, attributes(deathwatch))]
pub fn thread_actor(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    written(actor(&input, &quote!(threads)))
}

/// Implements `Message`. The reply is `()`, or what `#[reply(Type)]` says.
#[proc_macro_derive(Message, attributes(reply, deathwatch))]
pub fn message(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    written(reply(&input.attrs).and_then(|reply| {
        let krate = krate(&input.attrs)?;
        let sent = [quote!(Self), reply.clone()];
        Ok(implement(&input, &quote!(#krate::Message), &sent, &quote!(type Reply = #reply;)))
    }))
}

fn written(tokens: Result<Tokens, Error>) -> TokenStream {
    tokens.unwrap_or_else(Error::into_compile_error).into()
}

fn actor(input: &DeriveInput, mode: &Tokens) -> Result<Tokens, Error> {
    let krate = krate(&input.attrs)?;
    Ok(implement(input, &quote!(#krate::#mode::Actor), &[quote!(Self)], &Tokens::new()))
}

/// What is generic may be an actor or a message where all of `sent` can be sent to another thread and borrows nothing.
fn implement(input: &DeriveInput, of: &Tokens, sent: &[Tokens], body: &Tokens) -> Tokens {
    let name = &input.ident;
    let mut generics = input.generics.clone();
    if !generics.params.is_empty() {
        let conditions = sent.iter().map(|sent| syn::parse_quote!(#sent: ::core::marker::Send + 'static));
        generics.make_where_clause().predicates.extend(conditions.collect::<Vec<syn::WherePredicate>>());
    }
    let (parameters, arguments, conditions) = generics.split_for_impl();
    quote! {
        #[automatically_derived]
        impl #parameters #of for #name #arguments #conditions { #body }
    }
}

/// The type in `#[reply(Type)]`.
fn reply(attributes: &[Attribute]) -> Result<Tokens, Error> {
    Ok(only(attributes, "reply")?
        .map(|attribute| {
            attribute.parse_args::<Type>().map_err(|error| {
                Error::new(
                    error.span(),
                    "`#[reply(Type)]` names the type of the reply, `#[reply(u32)]` for example",
                )
            })
        })
        .transpose()?
        .map_or_else(|| quote!(()), ToTokens::into_token_stream))
}

/// Where the crate is: `#[deathwatch(crate = path)]`, for those who re-export it under another name.
fn krate(attributes: &[Attribute]) -> Result<Tokens, Error> {
    let Some(attribute) = only(attributes, "deathwatch")? else { return Ok(quote!(::deathwatch)) };
    let mut path = None;
    attribute.parse_nested_meta(|meta| {
        if !meta.path.is_ident("crate") {
            return Err(meta.error("only `crate = path` can be said here"));
        }
        path = Some(meta.value()?.parse::<Path>()?);
        Ok(())
    })?;
    path.map(ToTokens::into_token_stream)
        .ok_or_else(|| Error::new_spanned(attribute, "`#[deathwatch(crate = path)]` says where the crate is"))
}

/// The attribute of that name, of which there may be one.
fn only<'a>(attributes: &'a [Attribute], name: &str) -> Result<Option<&'a Attribute>, Error> {
    let mut found = attributes.iter().filter(|attribute| attribute.path().is_ident(name));
    let first = found.next();
    match found.next() {
        Some(second) => Err(Error::new_spanned(second, format!("`#[{name}(..)]` is there already"))),
        None => Ok(first),
    }
}
