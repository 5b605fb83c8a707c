//! The trait `SessionStore` of each version of tower-sessions.
//!
//! The versions have the same trait with types of their own. The methods are what `async_trait`
//! makes of an `async fn`, written out, so that no macro of another crate is needed.

macro_rules! implement {
    ($feature:literal, $core:ident) => {
        #[cfg(feature = $feature)]
        const _: () = {
            use std::pin::Pin;

            use $core::session::{Id, Record};
            use $core::session_store::{Error, Result, SessionStore};

            type Boxed<'f, T> = Pin<Box<dyn Future<Output = Result<T>> + Send + 'f>>;

            fn error(error: lambda_sessions::Error) -> Error {
                match $crate::error::Fault::from(error) {
                    $crate::error::Fault::Encode(text) => Error::Encode(text),
                    $crate::error::Fault::Decode(text) => Error::Decode(text),
                    $crate::error::Fault::Backend(text) => Error::Backend(text),
                }
            }

            #[cfg_attr(docsrs, doc(cfg(feature = $feature)))]
            impl<S> SessionStore for $crate::store::TowerStore<S>
            where
                S: lambda_sessions::SessionStore,
            {
                fn create<'s, 'r, 'f>(&'s self, record: &'r mut Record) -> Boxed<'f, ()>
                where
                    's: 'f,
                    'r: 'f,
                    Self: 'f,
                {
                    Box::pin(async move {
                        let created = self.create_session(&record.data, record.expiry_date);
                        record.id = Id(created.await.map_err(error)?);
                        Ok(())
                    })
                }

                fn save<'s, 'r, 'f>(&'s self, record: &'r Record) -> Boxed<'f, ()>
                where
                    's: 'f,
                    'r: 'f,
                    Self: 'f,
                {
                    Box::pin(async move {
                        let (id, expiry) = (record.id.0, record.expiry_date);
                        let saved = self.save_session(id, &record.data, expiry);
                        saved.await.map_err(error)
                    })
                }

                fn load<'s, 'r, 'f>(&'s self, id: &'r Id) -> Boxed<'f, Option<Record>>
                where
                    's: 'f,
                    'r: 'f,
                    Self: 'f,
                {
                    Box::pin(async move {
                        let session = self.load_session(id.0).await.map_err(error)?;
                        Ok(session.map(|(data, expiry_date)| Record {
                            id: *id,
                            data,
                            expiry_date,
                        }))
                    })
                }

                fn delete<'s, 'r, 'f>(&'s self, id: &'r Id) -> Boxed<'f, ()>
                where
                    's: 'f,
                    'r: 'f,
                    Self: 'f,
                {
                    Box::pin(async move { self.delete_session(id.0).await.map_err(error) })
                }
            }
        };
    };
}

implement!("tower-sessions-0-14", tower_sessions_core_0_14);
implement!("tower-sessions-0-15", tower_sessions_core_0_15);
