"""What scales an endpoint by its backlog, within its template and alone."""

from __future__ import annotations

from support.templates import referred, resolved

from fanout.commands.infra.scaling import COOLDOWN_S, scaling
from fanout.commands.infra.stack import StackOptions, stack

NAMES = {
    "Endpoint.EndpointName": "fanout", "Capacity": "c", "FromZero": "policy",
    "MinInstances": 0, "MaxInstances": 7, "BacklogPerInstance": 5.0,
}  # fmt: skip
DIMENSIONS = [{"Name": "EndpointName", "Value": "fanout"}]


def properties(name):
    return resolved(scaling(variant="AllTraffic")[name]["Properties"], NAMES)


def test_capacity_is_within_what_was_asked_for():
    target = properties("Capacity")
    assert (target["MinCapacity"], target["MaxCapacity"]) == (0, 7)
    assert target["ResourceId"] == "endpoint/fanout/variant/AllTraffic"
    assert target["ScalableDimension"] == "sagemaker:variant:DesiredInstanceCount"


def test_the_backlog_of_each_instance_is_kept_near_its_target():
    tracking = properties("ByBacklog")["TargetTrackingScalingPolicyConfiguration"]
    metric = tracking["CustomizedMetricSpecification"]
    assert (metric["MetricName"], metric["Dimensions"]) == ("ApproximateBacklogSizePerInstance", DIMENSIONS)
    assert tracking["TargetValue"] == 5.0
    assert {tracking["ScaleInCooldown"], tracking["ScaleOutCooldown"]} == {COOLDOWN_S}


def test_an_alarm_starts_the_first_instance():
    alarm = properties("BacklogWithoutCapacity")
    assert (alarm["MetricName"], alarm["Dimensions"]) == ("HasBacklogWithoutCapacity", DIMENSIONS)
    assert alarm["AlarmActions"] == ["policy"]
    steps = properties("FromZero")["StepScalingPolicyConfiguration"]["StepAdjustments"]
    assert steps == [{"MetricIntervalLowerBound": 0, "ScalingAdjustment": 1}]


def test_both_policies_scale_the_one_target_and_have_names_of_their_own():
    policies = [properties(name) for name in ("ByBacklog", "FromZero")]
    assert [policy["ScalingTargetId"] for policy in policies] == ["c", "c"]
    assert len({policy["PolicyName"] for policy in policies}) == 2


def test_the_template_of_a_stack_has_all_that_it_refers_to():
    options = StackOptions(
        endpoint="fanout", instance_type="ml.m5.xlarge", min_instances=0, max_instances=7, concurrency=4,
        backlog=5.0, expire_days=14,
    )  # fmt: skip
    template = stack(options)
    resources = scaling(variant="AllTraffic")
    assert {name: template["Resources"][name] for name in resources} == resources
    assert referred(resources) <= {*template["Resources"], *template["Parameters"]}
    defaults = {
        name: template["Parameters"][name]["Default"] for name in ("MaxInstances", "BacklogPerInstance")
    }
    assert defaults == {"MaxInstances": 7, "BacklogPerInstance": 5.0}
