"""A Singer tap of SQLite databases. Discovery, messages, bookmarks and versions are those of Meltano's SDK."""

from singer_sdk import SQLConnector, SQLStream, SQLTap
from singer_sdk import typing as th


class File(SQLConnector):
    def get_sqlalchemy_url(self, config):
        return f"sqlite:///{config['path']}"


class Table(SQLStream):
    connector_class = File


class Sqlite(SQLTap):
    name = "tap-sqlite"
    default_stream_class = Table
    config_jsonschema = th.PropertiesList(th.Property("path", th.StringType, required=True)).to_dict()


if __name__ == "__main__":
    Sqlite.cli()
