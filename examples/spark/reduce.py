"""Reduces comparisons in Parquet, of any size, to pair counts with Spark, and asks Commonweal about them.

    python reduce.py PARQUET [--url http://127.0.0.1:8080] [--welfare nash] [--dataset ID]

The columns are `group`, `winner` and `loser`, and, where there are ties, a boolean `tie`. What is sent is as large as
the number of different pairs, whatever the number of comparisons: their likelihood depends on nothing else.

With `--dataset` the counts become a batch of that dataset, which is made if there is none: for more pairs than one
request carries, and for what is asked about again and again. Without, they are sent with the question.
"""

import argparse
import glob
import json
import os
import sys
import tempfile
import urllib.error
import urllib.request
from urllib.parse import quote

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

# Rows of counts that one driver holds and one request carries with ease; more is a case for fewer items or groups.
MOST_ROWS = 4_000_000


def pair_counts(comparisons):
    """How often each group preferred each item to each other: a row (group, winner, loser, tie, count)."""
    tie = F.col("tie") if "tie" in comparisons.columns else F.lit(False)
    tied = comparisons.withColumn("tie", F.coalesce(tie, F.lit(False)))
    # A tie has no winner: its two items are put in one order, so that they are counted together.
    swapped = F.col("tie") & (F.col("winner") > F.col("loser"))
    ordered = tied.select(
        "group",
        F.when(swapped, F.col("loser")).otherwise(F.col("winner")).alias("winner"),
        F.when(swapped, F.col("winner")).otherwise(F.col("loser")).alias("loser"),
        "tie",
    )
    return ordered.groupBy("group", "winner", "loser", "tie").count()


def columns_of(counts):
    """The counts as the columns that the service takes, in an order that does not depend on the cluster."""
    rows = counts.orderBy("group", "winner", "loser", "tie").collect()
    if len(rows) > MOST_ROWS:
        sys.exit(f"{len(rows)} different pairs are more than one request carries ({MOST_ROWS})")
    names = ("group", "winner", "loser", "tie", "count")
    return {name: [row[name] for row in rows] for name in names}


def ask(url, body):
    """Posts a request; a refusal is printed as the service words it."""
    try:
        return post(url, json.dumps(body).encode(), "application/json")
    except urllib.error.HTTPError as refusal:
        sys.exit(refusal.read().decode())


def store(url, dataset, counts):
    """Makes the counts a batch of a dataset, as one file of Parquet; no row of them reaches the driver's Python."""
    try:
        post(f"{url}/datasets", json.dumps({"id": dataset}).encode(), "application/json")
    except urllib.error.HTTPError as refusal:
        if json.load(refusal)["type"] != "/problems/dataset-exists":
            raise
    with tempfile.TemporaryDirectory() as folder:
        counts.coalesce(1).write.mode("overwrite").parquet(folder)
        [path] = glob.glob(f"{folder}/*.parquet")
        with open(path, "rb") as file:
            length = {"Content-Length": str(os.path.getsize(path))}
            media = "application/vnd.apache.parquet"
            try:
                return post(f"{url}/datasets/{quote(dataset, safe='')}/comparisons", file, media, length)
            except urllib.error.HTTPError as refusal:
                sys.exit(refusal.read().decode())


def post(url, body, media, headers={}):
    with urllib.request.urlopen(urllib.request.Request(url, body, {"Content-Type": media, **headers})) as response:
        return json.load(response)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parquet")
    parser.add_argument("--url", default="http://127.0.0.1:8080")
    parser.add_argument("--welfare", default="nash")
    parser.add_argument("--dataset")
    arguments = parser.parse_args()

    spark = SparkSession.builder.appName("commonweal").getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")
    counts = pair_counts(spark.read.parquet(arguments.parquet))
    if arguments.dataset is None:
        source = {"comparisons": columns_of(counts)}
    else:
        store(arguments.url, arguments.dataset, counts)
        source = {"dataset": arguments.dataset}
    spark.stop()
    answer = ask(f"{arguments.url}/aggregate", source | {"welfare": {"function": arguments.welfare}})
    json.dump(answer, sys.stdout, indent=2)


if __name__ == "__main__":
    main()
