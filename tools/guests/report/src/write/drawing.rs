//! A chart as Word draws it, from numbers that stand in it: there is no workbook behind it to open or to refresh.

use std::fmt::Write as _;

use tables::found::Numbers;

use super::escaped;
use crate::outline::{COLOURS, Chart, Series, Shape};

const DRAWING: &str = "http://schemas.openxmlformats.org/drawingml/2006";

pub(super) fn text(chart: &Chart) -> String {
    let all = chart.series.iter().zip(COLOURS.iter().cycle()).enumerate();
    let series: String = all
        .map(|(at, (series, colour))| self::series(chart, at, series, colour))
        .collect();
    let plot = match chart.shape {
        Shape::Bar => format!(
            "<c:barChart><c:barDir val=\"col\"/><c:grouping val=\"clustered\"/><c:varyColors val=\"0\"/>{series}\
<c:gapWidth val=\"60\"/><c:axId val=\"1\"/><c:axId val=\"2\"/></c:barChart>{}",
            axes(chart)
        ),
        Shape::Line => format!(
            "<c:lineChart><c:grouping val=\"standard\"/><c:varyColors val=\"0\"/>{series}\
<c:marker val=\"1\"/><c:axId val=\"1\"/><c:axId val=\"2\"/></c:lineChart>{}",
            axes(chart)
        ),
        Shape::Pie => format!(
            "<c:pieChart><c:varyColors val=\"1\"/>{series}<c:firstSliceAng val=\"0\"/></c:pieChart>"
        ),
    };
    let legend = if chart.shape == Shape::Pie || chart.series.len() > 1 {
        "<c:legend><c:legendPos val=\"b\"/><c:overlay val=\"0\"/></c:legend>"
    } else {
        ""
    };
    format!(
        "<c:chartSpace xmlns:c=\"{DRAWING}/chart\" xmlns:a=\"{DRAWING}/main\"><c:roundedCorners val=\"0\"/><c:chart>\
<c:title><c:tx><c:rich><a:bodyPr/><a:p><a:pPr><a:defRPr sz=\"1400\"/></a:pPr><a:r><a:rPr sz=\"1400\"/><a:t>{}</a:t></a:r></a:p>\
</c:rich></c:tx><c:overlay val=\"0\"/></c:title><c:autoTitleDeleted val=\"0\"/>\
<c:plotArea><c:layout/>{plot}</c:plotArea>{legend}<c:plotVisOnly val=\"1\"/><c:dispBlanksAs val=\"gap\"/></c:chart></c:chartSpace>",
        escaped(&chart.title)
    )
}

fn series(chart: &Chart, at: usize, series: &Series, colour: &str) -> String {
    let count = chart.categories.len();
    let (mut names, mut values) = (String::new(), String::new());
    for (at, (name, value)) in chart.categories.iter().zip(&series.values).enumerate() {
        let _ = write!(
            names,
            "<c:pt idx=\"{at}\"><c:v>{}</c:v></c:pt>",
            escaped(name)
        );
        if let Some(value) = value {
            let _ = write!(values, "<c:pt idx=\"{at}\"><c:v>{value}</c:v></c:pt>");
        }
    }
    let fill = format!("<a:solidFill><a:srgbClr val=\"{colour}\"/></a:solidFill>");
    let (look, behind) = match chart.shape {
        Shape::Bar => (
            format!("<c:spPr>{fill}</c:spPr><c:invertIfNegative val=\"0\"/>"),
            "",
        ),
        Shape::Line => (
            format!("<c:spPr><a:ln w=\"28575\">{fill}</a:ln></c:spPr>"),
            "<c:smooth val=\"0\"/>",
        ),
        Shape::Pie => (String::new(), ""),
    };
    format!(
        "<c:ser><c:idx val=\"{at}\"/><c:order val=\"{at}\"/><c:tx><c:v>{}</c:v></c:tx>{look}\
<c:cat><c:strLit><c:ptCount val=\"{count}\"/>{names}</c:strLit></c:cat>\
<c:val><c:numLit><c:formatCode>{}</c:formatCode><c:ptCount val=\"{count}\"/>{values}</c:numLit></c:val>{behind}</c:ser>",
        escaped(&series.name),
        format(series)
    )
}

fn format(series: &Series) -> &'static str {
    match series.numbers {
        Numbers::Cents => "#,##0.00",
        Numbers::Plain => "General",
    }
}

fn axes(chart: &Chart) -> String {
    let format = chart.series.first().map_or("General", format);
    format!(
        "<c:catAx><c:axId val=\"1\"/><c:scaling><c:orientation val=\"minMax\"/></c:scaling><c:delete val=\"0\"/><c:axPos val=\"b\"/>\
<c:numFmt formatCode=\"General\" sourceLinked=\"0\"/><c:majorTickMark val=\"none\"/><c:minorTickMark val=\"none\"/><c:tickLblPos val=\"low\"/>\
<c:crossAx val=\"2\"/><c:crosses val=\"autoZero\"/></c:catAx>\
<c:valAx><c:axId val=\"2\"/><c:scaling><c:orientation val=\"minMax\"/></c:scaling><c:delete val=\"0\"/><c:axPos val=\"l\"/>\
<c:majorGridlines/><c:numFmt formatCode=\"{format}\" sourceLinked=\"0\"/><c:majorTickMark val=\"none\"/><c:minorTickMark val=\"none\"/>\
<c:tickLblPos val=\"nextTo\"/><c:crossAx val=\"1\"/><c:crosses val=\"autoZero\"/></c:valAx>"
    )
}
