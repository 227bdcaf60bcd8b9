"""Client ID metadata documents: a client_id may be the URL of a document that says who the client is.

Off unless an operator switches it on. The registry finds such clients like all others (`server.app` gives it
`server.outbound.client_documents`); people are asked every time, and told from which host the client comes.
"""

from server.protocol.extension import Extension

CLIENT_ID_METADATA_DOCUMENTS = Extension(
    name="client_id_metadata_documents",
    title="OAuth Client ID Metadata Document (draft-ietf-oauth-client-id-metadata-document-00)",
    specification="https://datatracker.ietf.org/doc/html/draft-ietf-oauth-client-id-metadata-document-00",
    is_enabled=lambda settings: settings.client_id_metadata_documents,
    metadata=lambda _services: {"client_id_metadata_document_supported": True},
)
