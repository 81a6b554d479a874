# SPDX-License-Identifier: Apache-2.0
"""plugin_zip.py ZIP: fails if the plugin's zip carries a class that belongs to Clouddriver. The plugin's class loader
takes its own first, so a second guava, Spring or slf4j there is another type than Clouddriver's of the same name."""
import io
import sys
import zipfile

# What may be in lib/, by the packages that its jars have, and whose they are.
OWN = {
    "io/scaleagent/": "the plugin",
    "io/grpc/": "grpc-java, its netty shaded into it",
    "io/perfmark/": "grpc-java's tracing",
    "com/google/protobuf/": "protobuf-java",
    "com/google/api/": "protobuf's common types",
    "com/google/apps/": "protobuf's common types",
    "com/google/cloud/": "protobuf's common types",
    "com/google/geo/": "protobuf's common types",
    "com/google/logging/": "protobuf's common types",
    "com/google/longrunning/": "protobuf's common types",
    "com/google/rpc/": "protobuf's common types",
    "com/google/shopping/": "protobuf's common types",
    "com/google/type/": "protobuf's common types",
    "android/annotation/": "annotations that grpc-java names",
}


def foreign(zip_file):
    """{class: jar} of what is nobody's in OWN."""
    found = {}
    with zipfile.ZipFile(zip_file) as plugin:
        jars = [n for n in plugin.namelist() if n.startswith("lib/") and n.endswith(".jar")]
        if not jars or not any(n.startswith("classes/io/scaleagent/") for n in plugin.namelist()):
            sys.exit(f"{zip_file}: no classes/ or no lib/")
        for name in plugin.namelist():
            if name.startswith("classes/") and name.endswith(".class"):
                check(name[len("classes/"):], "classes/", found)
        for jar in jars:
            with zipfile.ZipFile(io.BytesIO(plugin.read(jar))) as classes:
                for name in classes.namelist():
                    if name.endswith(".class") and not name.startswith("META-INF/"):
                        check(name, jar, found)
    return found


def check(name, jar, found):
    if not name.startswith(tuple(OWN)):
        found[name] = jar


def main():
    found = foreign(sys.argv[1])
    for name, jar in sorted(found.items())[:20]:
        print(f"{jar} has {name}, which Clouddriver has, too")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
