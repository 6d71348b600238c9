"""Reduces comparisons in Parquet, of any size, to pair counts with Spark, and asks Commonweal about them.

    python reduce.py PARQUET [--url http://127.0.0.1:8080/aggregate] [--welfare nash]

The columns are `group`, `winner` and `loser`, and, where there are ties, a boolean `tie`. What is sent is as large as
the number of different pairs, whatever the number of comparisons: their likelihood depends on nothing else.
"""

import argparse
import json
import sys
import urllib.error
import urllib.request

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
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request) as response:
            return json.load(response)
    except urllib.error.HTTPError as refusal:
        sys.exit(refusal.read().decode())


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parquet")
    parser.add_argument("--url", default="http://127.0.0.1:8080/aggregate")
    parser.add_argument("--welfare", default="nash")
    arguments = parser.parse_args()

    spark = SparkSession.builder.appName("commonweal").getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")
    columns = columns_of(pair_counts(spark.read.parquet(arguments.parquet)))
    spark.stop()
    body = {"comparisons": columns, "welfare": {"function": arguments.welfare}}
    json.dump(ask(arguments.url, body), sys.stdout, indent=2)


if __name__ == "__main__":
    main()
