//! The operations of S3, one file each; XML by `aws::xml`.
//!
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations_Amazon_Simple_Storage_Service.html>

mod checksum;
mod copy;
mod delete_objects;
mod get_object;
mod head;
mod list_multipart_uploads;
mod list_objects;
mod multipart;
pub(crate) mod options;
mod put_object;
#[cfg(test)]
mod tests;

#[cfg(test)]
pub(crate) use checksum::crc32;
pub(crate) use copy::{CopyObject, UploadPartCopy, WHOLE};
pub(crate) use delete_objects::{BATCH, DeleteObjects};
pub(crate) use get_object::{GetObject, Read};
pub(crate) use head::HeadObject;
pub(crate) use list_multipart_uploads::ListMultipartUploads;
pub(crate) use list_objects::{Depth, ListObjects, ObjectsPage};
pub(crate) use multipart::{AbortUpload, CompleteUpload, CreateUpload, Part, UploadPart};
pub(crate) use put_object::{Condition, PutObject, PutObjectIf};

use crate::aws::operation::BadResponse;
use crate::aws::sigv4::encoding;
use crate::aws::xml::Element;

/// The path of a key.
fn path(key: &str) -> String {
    format!("/{}", encoding::path(key))
}

/// Parses the document of a response with a 2xx status. Its root should have this name, but may be an error.
fn document(body: &[u8], root: &str) -> Result<Element, BadResponse> {
    let element =
        Element::parse(body).ok_or(BadResponse::Malformed("the response is not complete XML"))?;
    if element.name() == "Error" {
        return Err(BadResponse::Error {
            code: element.text_of("Code").to_owned(),
            message: element.text_of("Message").to_owned(),
        });
    }
    if element.name() != root {
        return Err(BadResponse::Malformed(
            "the response is XML of another kind",
        ));
    }
    Ok(element)
}
