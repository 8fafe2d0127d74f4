"""segment-analytics-python"""


from segment.analytics.client import Client
from segment_calls import through

through(Client)
