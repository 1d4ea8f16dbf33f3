"""IAM as AWS has it where moto is coarse: resources of Glue, each key of DeleteObjects, and s3:prefix.

https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsglue.html
https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html
"""

import json
import xml.etree.ElementTree as xml
from fnmatch import fnmatchcase
from urllib.parse import parse_qs, urlsplit

from moto.iam.access_control import IAMPolicy, IAMPolicyStatement, IAMRequestBase, PermissionResult


def heed_resources() -> None:
    """Makes moto ask for every resource of a call, as AWS does."""
    IAMPolicyStatement._check_conditions = meets
    plain = IAMRequestBase.check_action_permitted

    def check(self, resource):
        wanted = list(resources(self, resource))
        if wanted == [(resource, {})]:
            return plain(self, resource)
        policies = [IAMPolicy(policy) for policy in self._access_key.collect_policies()]
        for one, context in wanted:
            results = [policy.is_action_permitted(self._action, one, None, context) for policy in policies]
            if PermissionResult.DENIED in results or PermissionResult.PERMITTED not in results:
                self._raise_access_denied()

    IAMRequestBase.check_action_permitted = check


def resources(request, resource):
    """The resources of a call, each with the values of its condition keys."""
    service, action = request._action.split(":", 1)
    if service == "glue":
        arn = f"arn:aws:glue:{request._region}:{request.account_id}:"
        yield arn + "catalog", {}
        asked = json.loads(request._body or b"{}")
        database = asked.get("DatabaseName") or asked.get("DatabaseInput", asked).get("Name")
        if database:
            yield f"{arn}database/{database}", {}
        if action == "DeleteDatabase":
            yield f"{arn}table/{database}/any", {}
            yield f"{arn}userDefinedFunction/{database}/any", {}
        if "DatabaseName" in asked:
            table = asked.get("TableName") or asked.get("TableInput", asked).get("Name")
            yield f"{arn}table/{database}/{table}", {}
    elif action == "DeleteObject" and request._method == "POST":
        for key in xml.fromstring(request._body).iter():
            if key.tag.endswith("Key"):
                yield f"{resource}/{key.text}", {}
    elif action == "ListBucket":
        query = parse_qs(urlsplit(request._path).query)
        yield resource, {"s3:prefix": query["prefix"][0]} if "prefix" in query else {"": ""}
    else:
        yield resource, {}


def meets(statement, values):
    """Whether a statement's conditions hold; a key that the call does not have meets none."""
    values = values or {}
    for operator, keys in (statement._statement.get("Condition") or {}).items():
        for key, patterns in keys.items():
            patterns = [patterns] if isinstance(patterns, str) else patterns
            fits = fnmatchcase if operator == "StringLike" else str.__eq__
            if not any(key in values and fits(values[key], pattern) for pattern in patterns):
                return False
    return True
