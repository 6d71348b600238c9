"""Runs the example for real: makes Parquet, reduces it with Spark, and compares the service's answers to the counts, sent
with the question and stored, with the one to all comparisons.

    python check.py [--rows 200000] [--groups 4] [--items 30] [--url http://127.0.0.1:8080]
"""

import argparse
import math
import sys
import tempfile
import time

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from reduce import MOST_ROWS, ask, columns_of, pair_counts, store


def simulated(spark, rows, groups, items):
    """Comparisons of groups that disagree: each reward is a wave of its own over the items, one in ten a tie."""
    item = F.floor(F.rand(seed=1) * items)
    other = (F.col("a") + 1 + F.floor(F.rand(seed=2) * (items - 1))) % items
    reward = lambda name: F.sin(F.col(name) * 0.7 + F.col("g") * 1.3)
    return (
        spark.range(rows)
        .withColumn("g", F.floor(F.rand(seed=3) * groups))
        .withColumn("a", item)
        .withColumn("b", other)
        .withColumn("a_wins", F.rand(seed=4) < 1 / (1 + F.exp(reward("b") - reward("a"))))
        .select(
            F.format_string("group %d", F.col("g")).alias("group"),
            F.format_string("item %02d", F.when(F.col("a_wins"), F.col("a")).otherwise(F.col("b"))).alias("winner"),
            F.format_string("item %02d", F.when(F.col("a_wins"), F.col("b")).otherwise(F.col("a"))).alias("loser"),
            (F.rand(seed=5) < 0.1).alias("tie"),
        )
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--groups", type=int, default=4)
    parser.add_argument("--items", type=int, default=30)
    parser.add_argument("--url", default="http://127.0.0.1:8080")
    arguments = parser.parse_args()
    url, welfare = arguments.url, {"function": "nash"}

    quiet = {"spark.ui.enabled": "false", "spark.ui.showConsoleProgress": "false"}
    spark = SparkSession.builder.appName("commonweal").config(map=quiet).getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")
    sources = {}
    with tempfile.TemporaryDirectory() as folder:
        simulated(spark, arguments.rows, arguments.groups, arguments.items).write.mode("overwrite").parquet(folder)
        comparisons = spark.read.parquet(folder)
        for name, table in {"rows": comparisons, "counts": pair_counts(comparisons)}.items():
            since = time.perf_counter()
            stored = store(url, name, table)["batch"]["comparisons"]
            print(f"{name}: {stored} rows, from Parquet to a stored batch in {time.perf_counter() - since:.1f} s")
            sources[f"stored {name}"] = {"dataset": name}
        if stored <= MOST_ROWS // 10:
            sources["counts in the request"] = {"comparisons": columns_of(pair_counts(comparisons))}
    spark.stop()

    answers = {}
    for name, source in sources.items():
        since = time.perf_counter()
        answers[name] = ask(f"{url}/aggregate", source | {"welfare": welfare})
        print(f"{name}: answered in {time.perf_counter() - since:.1f} s")
    whole = answers.pop("stored rows")
    if whole["data"]["comparisons"] != arguments.rows:
        sys.exit("comparisons are missing")
    for name, answer in answers.items():
        furthest = max(abs(weight - whole["weights"][group]) for group, weight in answer["weights"].items())
        print(f"{name}: weights differ by {furthest:.1e} at most from those of all comparisons")
        if not furthest < 1e-9 or not math.isclose(answer["welfare"], whole["welfare"], rel_tol=1e-9):
            sys.exit("the answers differ")


if __name__ == "__main__":
    main()
